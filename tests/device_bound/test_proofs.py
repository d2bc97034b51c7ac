"""Proofs of a device's key: valid ones, and every way in which one can be invalid."""

import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from holdall._base64url import from_text, to_text
from holdall.device_bound._proofs import MAX_PROOF_BYTES, DeviceKey, Flaw, Proof, header_text, verify
from holdall.testing._device_keys import SoftwareKey
from sizes import sized

KEYS = {algorithm: SoftwareKey(algorithm) for algorithm in ("ES256", "RS256")}
EC, RSA = KEYS.values()
OTHER = SoftwareKey()

#: Not a point on the curve, because y does not match this x.
OFF_CURVE = {"kty": "EC", "crv": "P-256", "x": to_text(bytes(31) + b"\5"), "y": to_text(bytes(31) + b"\1")}

MUTANTS = sized(1000, 10_000)
SEED = 20260301


def key_of(software: SoftwareKey) -> DeviceKey:
    proof = verify(software.proof("c", brings_key=True))
    assert isinstance(proof, Proof)
    return proof.key


def signed(key: SoftwareKey, header: bytes, payload: bytes) -> str:
    message = f"{to_text(header)}.{to_text(payload)}"
    return f"{message}.{to_text(key.sign(message.encode()))}"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_registration_brings_its_key_and_a_refresh_is_signed_with_it(key: SoftwareKey) -> None:
    first = verify(key.proof("first", brings_key=True))
    assert isinstance(first, Proof)
    kept = DeviceKey.from_stored(str(first.key))

    second = verify(key.proof("second", brings_key=False, aud="https://shop.example", iat=0), kept)

    assert isinstance(second, Proof)
    assert (first.challenge, second.challenge) == ("first", "second")
    assert (kept.algorithm, kept.numbers) == (first.key.algorithm, first.key.numbers)


def test_the_key_may_be_in_the_payload_or_twice() -> None:
    older = EC.proof("c", brings_key=False, jwk=EC.jwk)
    twice = EC.proof("c", brings_key=True, jwk=EC.jwk)

    assert isinstance(verify(older), Proof)
    assert isinstance(verify(twice), Proof)


EC_JWK, RSA_JWK = EC.jwk, RSA.jwk
BAD_KEYS: dict[str, tuple[SoftwareKey, Any]] = {
    "off the curve": (EC, OFF_CURVE),
    "the point at infinity": (EC, {**OFF_CURVE, "x": to_text(bytes(32)), "y": to_text(bytes(32))}),
    "another curve": (EC, {**EC_JWK, "crv": "P-384"}),
    "no curve": (EC, {name: value for name, value in EC_JWK.items() if name != "crv"}),
    "a coordinate too short": (EC, {**EC_JWK, "x": EC_JWK["x"][:-4]}),
    "a coordinate is missing": (EC, {name: value for name, value in EC_JWK.items() if name != "y"}),
    "a coordinate is a number": (EC, {**EC_JWK, "y": 5}),
    "a coordinate is a list": (EC, {**EC_JWK, "y": ["AA"]}),
    "a private key": (EC, {**EC_JWK, "d": "AA"}),
    "for another algorithm": (EC, {**EC_JWK, "alg": "RS256"}),
    "symmetric": (EC, {"kty": "oct", "k": "AAAA"}),
    "no object": (EC, "P-256"),
    "RSA where ES256 is said": (EC, RSA_JWK),
    "EC where RS256 is said": (RSA, EC_JWK),
    "an RSA key that is too short": (RSA, {**RSA_JWK, "n": to_text(b"\xff" * 128)}),
    "an RSA key that is too long": (RSA, {**RSA_JWK, "n": to_text(b"\xff" * 513)}),
    "an even RSA exponent": (RSA, {**RSA_JWK, "e": to_text(b"\4")}),
    "an RSA exponent of 1": (RSA, {**RSA_JWK, "e": to_text(b"\1")}),
    "a huge RSA exponent": (RSA, {**RSA_JWK, "e": to_text(b"\1" * 9)}),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_an_unusable_key_is_refused(name: str) -> None:
    key, jwk = BAD_KEYS[name]

    assert verify(key.proof("c", brings_key=False, header={"jwk": jwk})) == Flaw("contains a key that cannot be used")


@pytest.mark.parametrize("algorithm", ["none", "NONE", "HS256", "ES384", "PS256", "es256", None, 7, ["ES256"]])
def test_no_other_algorithm_is_accepted(algorithm: Any) -> None:
    found = verify(EC.proof("c", brings_key=True, header={"alg": algorithm}))

    assert found == Flaw("alg is neither ES256 nor RS256")


def test_the_headers_must_be_correct() -> None:
    key = key_of(EC)

    assert verify(EC.proof("c", brings_key=True, header={"typ": "JWT"})) == Flaw("typ is not dbsc+jwt")
    assert verify(EC.proof("c", brings_key=True, header={"crit": ["b64"]})) == Flaw("has unknown extensions")
    assert verify(EC.proof("c", brings_key=False)) == Flaw("contains no key")
    assert verify(EC.proof("c", brings_key=True, jwk=OTHER.jwk)) == Flaw("contains two keys")
    assert verify(EC.proof("c", brings_key=True), key) == Flaw("contains a key, which only a registration may")
    assert verify(EC.proof("c", brings_key=False, jwk=EC.jwk), key) == Flaw(
        "contains a key, which only a registration may"
    )
    assert verify(RSA.proof("c", brings_key=False), key) == Flaw("alg is not the key's")


@pytest.mark.parametrize("jti", [None, 7, "\u20ac", "\ud800", ["c"]])
def test_a_challenge_must_be_text(jti: Any) -> None:
    assert verify(EC.proof("", brings_key=True, jti=jti)) == Flaw("jti is not a challenge")


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_wrong_signature_is_distinguished_from_a_malformed_proof(key: SoftwareKey) -> None:
    other = SoftwareKey(key.algorithm)

    assert verify(other.proof("c", brings_key=False), key_of(key)) == Flaw("the signature is wrong", forged=True)
    assert verify(other.proof("c", brings_key=False, header={"jwk": key.jwk})) == Flaw(
        "the signature is wrong", forged=True
    )


@pytest.mark.parametrize("signature", [b"\0", bytes(64), b"\xff" * 64, bytes(63), bytes(65)])
def test_a_signature_of_zeros_or_of_another_size_is_wrong(signature: bytes) -> None:
    message, _, _ = EC.proof("c", brings_key=True).rpartition(".")

    assert verify(f"{message}.{to_text(signature)}") == Flaw("the signature is wrong", forged=True)


def test_a_signature_in_the_other_encoding_is_wrong() -> None:
    # Libraries convert it to DER, which a JWT does not use, and which would give one proof two texts.
    message, _, last = EC.proof("c", brings_key=True).rpartition(".")
    raw = from_text(last) or b""
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    assert verify(f"{message}.{to_text(der)}") == Flaw("the signature is wrong", forged=True)


HEAD = json.dumps({"alg": "ES256", "typ": "dbsc+jwt", "jwk": EC.jwk}).encode()


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b"[]", b'{"jti": "c"}'),
        (HEAD, b'"jti"'),
        (HEAD, b"{"),
        (HEAD, b'{"jti": "c", "jti": "c"}'),
        (HEAD, b'{"jti": "c", "iat": NaN}'),
        (HEAD, b'{"jti": "c", "x": "\xff"}'),
        (HEAD, '{"jti": "c"}'.encode("utf-16")),
        (HEAD, b'{"jti": "c", "x": ' + b"[" * 1200 + b"]" * 1200 + b"}"),
    ],
    # The key differs in each process, and the workers must have the same tests.
    ids=["an array", "text", "cut off", "a name twice", "NaN", "no UTF-8", "UTF-16", "too deep"],
)
def test_a_proof_consists_of_two_json_objects_that_can_be_read_in_only_one_way(header: bytes, payload: bytes) -> None:
    found = verify(signed(EC, header, payload))

    # Newer Pythons can read such deep nesting, and it does no harm.
    assert found == Flaw("not a JWT of JSON objects") or (b"[[" in payload and isinstance(found, Proof))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b", "a.b.c", "eyJ9.eyJ9", "\u20ac.\u20ac.\u20ac", "a" * 100]
)
def test_text_that_is_not_a_jwt_is_refused(token: str) -> None:
    assert isinstance(verify(token), Flaw)
    assert isinstance(verify(token, key_of(EC)), Flaw)


def test_a_proof_with_four_parts_or_padding_is_not_a_jwt() -> None:
    token = EC.proof("c", brings_key=True)

    assert verify(f"{token}.AAAA") == Flaw("not a JWT")
    assert verify(f"{token}==") == Flaw("not a JWT")


def test_an_oversized_proof_is_not_parsed() -> None:
    token = EC.proof("c", brings_key=True, padding="x" * MAX_PROOF_BYTES)

    assert verify(token) == Flaw("longer than a proof can be")


@pytest.mark.parametrize("registers", [True, False], ids=["registration", "refresh"])
def test_no_mutated_proof_is_accepted_or_raises(registers: bool) -> None:
    """A mutation may change a registration's key along with its signature, but not so that they match."""
    dice, tokens, keys = random.Random(SEED), [], [key_of(each) for each in KEYS.values()]
    for key in KEYS.values():
        tokens += [key.proof(challenge, brings_key=registers) for challenge in ("c", "d" * 43)]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=\"'\\\0\u20ac "
    print(f"seed {SEED}")  # noqa: T201  # pytest shows it with a failure

    taken = []
    for _ in range(MUTANTS // 2):
        token = dice.choice(tokens)
        place, other = dice.randrange(len(token)), dice.randrange(len(token))
        first, last = sorted((place, other))
        mutant = dice.choice(
            (
                token[:place] + dice.choice(alphabet) + token[place + 1 :],
                token[:place] + dice.choice(alphabet) + token[place:],
                token[:place] + token[place + dice.randint(1, 4) :],
                token[:place],
                token[:first] + token[first:last][::-1] + token[last:],
                token[:place] + dice.choice(tokens)[place:],
                ".".join(dice.choice(tokens).split(".")[part] for part in range(3)),
            )
        )
        if mutant not in tokens:
            for key in [None] if registers else keys:
                taken += [mutant] if isinstance(verify(mutant, key), Proof) else []

    assert taken == []


@given(st.text())
def test_no_text_is_accepted_or_raises(text: str) -> None:
    assert isinstance(verify(text), Flaw)
    found = header_text(text)
    assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        (";a", None),
        ('"', None),
        ('"abc', None),
        ("abc", "abc"),
        (" abc ;id=1", "abc"),
        ('"abc";id="1"', "abc"),
        (r'"a\"b\\c"', r'a"b\c'),
        ('""', ""),
    ],
)
def test_a_header_may_hold_a_quoted_or_bare_text(value: str | None, text: str | None) -> None:
    assert header_text(value) == text


def test_no_repr_shows_a_key_or_a_challenge() -> None:
    proof = verify(EC.proof("secret-challenge", brings_key=True))
    assert isinstance(proof, Proof)

    assert repr(proof) + repr(proof.key) == "<Proof><DeviceKey>"
