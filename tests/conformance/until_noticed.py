"""
A pytest plugin that runs each class's tests until one fails, because then the suite has noticed the fault.

For a mutant of a suite, only the test that is known to notice it is collected. Collecting the suites in full took most
of the time: 48,000 tests, of which 300 are run.
"""

from typing import Any

import pytest

# For each mutant, the test that is known to notice it. For a mutant that is not listed here, the whole suite runs, and
# reports which test noticed it.
_KNOWN = {
    "Upserts": "test_replace_never_creates_a_row",
    "IgnoresVersions": "test_a_refused_verb_has_no_visible_effect",
    "Overwrites": "test_a_refused_verb_has_no_visible_effect",
    "OverwritesAndRepairs": "test_a_refused_verb_has_no_visible_effect",
    "ForgetsRenewals": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "BuriesNamelessly": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "BuriesEmpty": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "BuriesTheData": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "FindsNoTombstones": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "RemovesBeforeItBuries": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "RemovesNothing": "test_of_concurrent_removals_one_returns_the_row",
    "RemovesInTwoSteps": "test_of_concurrent_removals_one_returns_the_row",
    "GivesStaleRows": "test_remove_returns_the_last_state_once",
    "SweepsLiveRows": "test_a_touched_row_outlives_its_first_expiry",
    "ForgetsTheClient": "test_read_returns_what_was_inserted",
    "CutsAtNUL": "test_data_comes_back_byte_by_byte",
    "ReplacesCreatedAndPrincipal": "test_a_replaced_row_is_read_whole_and_found",
    "ReplacesByRemoving": "test_a_replaced_row_is_read_whole_and_found",
    "ReplacesTheDataFirst": "test_a_replaced_row_is_read_whole_and_found",
    "ReplacesTheClient": "test_replace_keeps_created_principal_and_client",
    "ReplacesUnseen": "test_replace_writes_data_version_and_times",
    "TouchesBackwards": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "SeesBackwards": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TouchesUnseen": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TouchesByRemoving": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "ReturnsExpiredRows": "test_a_row_that_replaces_an_expired_one_is_never_found_under_the_old_principal",
    "InsertsEmptyAtFirst": "test_an_inserted_row_is_read_whole_and_found_from_then_on",
    "BuriesMissingRows": "test_remove_leaves_no_tombstone_where_there_was_no_row",
    "BuriesWithTheClient": "test_remove_leaves_a_tombstone_until_it_expires",
    "FindsOnlyTimes": "test_the_longest_principal_and_client_are_kept",
    "FindsInAnyOrder": "test_find_returns_one_principals_rows_oldest_first",
    "FindsExpiredRows": "test_find_returns_a_tombstone_until_it_expires",
    "ClearsTheNewer": "test_clear_considers_only_when_rows_began",
    "ClearsTooFew": "test_a_cleared_row_does_not_come_back",
    "ClearsByUse": "test_clear_removes_rows_that_began_at_or_before_the_given_time",
    "ClearsSessionsOnly": "test_clear_removes_tombstones_and_other_notes_too",
    "ClearsWithoutLimit": "test_clear_removes_at_most_the_limit_and_returns_the_number",
    "SweepsWithoutLimit": "test_sweep_removes_at_most_the_limit_and_returns_the_number",
    "ReplacesInTwoSteps": "test_concurrent_replacements_with_retries_are_all_kept",
    "InsertsBeforeItIndexes": "test_an_inserted_row_is_read_whole_and_found_from_then_on",
    "RemovesBeforeItUnlists": "test_a_removed_row_is_not_found_once_it_cannot_be_read",
    "SweepsAndRepairs": "test_live_rows_can_be_read_and_found_during_sweep_and_clear",
    "LosesOthersWrites": "test_writes_to_different_keys_are_both_kept",
    "BringsBack": "test_a_revoked_session_is_not_found_and_nothing_brings_it_back",
    "RevokesNothing": "test_a_revoked_session_is_not_found_and_nothing_brings_it_back",
    "OnlyClaimsToDelete": "test_a_login_does_not_end_with_the_anonymous_session_before_it",
    "ForgetsThatItRenewed": "test_a_renewed_id_counts_as_superseded_for_a_while",
    "RaisesAtBadCookies": "test_a_bad_cookie_is_not_found_and_never_an_error",
    "SharesItsData": "test_each_request_has_its_own_copy",
    "WritesWhenItTouches": "test_moving_the_expiry_undoes_no_write",
    "KeepsNoSession": "test_a_renewed_session_is_kept_or_ended_at_its_new_id",
    "FollowsNoRenewal": "test_a_renewed_session_is_kept_or_ended_at_its_new_id",
    "KnowsNoHandles": "test_a_handle_selects_one_session",
    "ResetsTheAge": "test_get_returns_what_was_put",
    "FollowsEveryRenewal": "test_an_anonymous_session_is_not_followed_beyond_its_login",
    "RenewsWhatWasRead": "test_a_renewal_keeps_what_another_request_wrote",
    "UpdatesWhatWasRead": "test_an_update_applies_to_what_another_request_wrote",
    "TuplesAreLists": "test_values_beyond_json_come_back_as_they_were_or_are_refused",
    "KeysAreText": "test_values_beyond_json_come_back_as_they_were_or_are_refused",
    "SortsKeys": "test_plain_values_come_back_as_they_were",
    "FoldsTimes": "test_the_check_gives_the_same_error_when_the_value_is_put",
    "ChecksNothing": "test_the_check_gives_the_same_error_when_the_value_is_put",
    "GivesTheSameAgain": "test_each_read_returns_its_own_objects",
    "SendsNoVary": "test_cache_headers_are_added_once",
    "LetsCachesKeepIt": "test_cache_headers_are_added_once",
    "AlwaysVaries": "test_an_untouched_session_sends_nothing",
    "OverridesCacheControl": "test_no_shared_cache_keeps_a_response_that_sets_our_cookie",
    "LetsTheApplicationDecide": "test_no_shared_cache_keeps_a_response_that_sets_our_cookie",
    "KnowsCacheControlOnly": "test_headers_for_one_kind_of_cache_are_removed_too",
    "NeverEnds": "test_changes_are_refused",
    "SendsOneCookieOnly": "test_the_end_of_its_session_leaves_the_others_alone",
    "ForgetsHowToDelete": "test_the_end_of_its_session_leaves_the_others_alone",
    "DropsSecure": "test_a_logout_can_clear_the_browsers_data",
    "KeepsOneCookiePerName": "test_a_logout_can_clear_the_browsers_data",
    "AddsNothingFurther": "test_a_logout_can_clear_the_browsers_data",
    "NeverWarns": "test_a_login_without_secure_warns_unless_it_is_on_this_machine",
    "WarnsOnThisMachineToo": "test_a_login_without_secure_warns_unless_it_is_on_this_machine",
    "SavesWhatFailed": "test_a_session_in_a_table_saves_and_counts_at_once",
    "ForgetsThatItStreams": "test_a_session_in_a_row_takes_changes_until_the_body_ends",
    "ForgetsToFinish": "test_a_session_in_a_row_takes_changes_until_the_body_ends",
    "FinishesOneOnly": "test_a_session_in_a_row_takes_changes_until_the_body_ends",
    "ReadsOneHeader": "test_our_cookie_reaches_the_core",
    "ReadsLeniently": "test_a_bad_cookie_is_an_empty_session_however_the_framework_parses_it",
    "DropsTheClient": "test_each_session_is_listed_and_ended_by_its_own_principal",
    "TellsTheClientToOneOnly": "test_each_session_is_listed_and_ended_by_its_own_principal",
    "AlwaysRecordsTheClient": "test_no_client_is_recorded_unless_enabled",
    "KnowsOneSession": "test_each_session_has_its_own_data",
    "OpensThemAgain": "test_each_session_has_its_own_data",
    "CommitsOneOnly": "test_each_session_has_its_own_data",
    "UsesAllThatAreFetched": "test_a_session_that_is_fetched_but_not_read_does_not_count_as_used",
    "UsesAll": "test_a_session_that_is_fetched_but_not_read_does_not_count_as_used",
    "CommitsEachByItself": "test_cache_headers_are_added_for_a_session_that_was_only_read",
    "StopsAtTheFirst": "test_if_one_session_cannot_be_written_the_other_still_ends",
    "SendsNoCookieWithAFailure": "test_if_one_session_cannot_be_written_the_other_still_ends",
    "RenewsAll": "test_a_login_in_one_session_does_not_renew_the_other",
    "EndsAll": "test_the_end_of_one_session_leaves_the_other_alone",
    "SetsAllCookiesForTheRoot": "test_a_mounted_application_has_its_own_data",
    "SkipsLoginChecks": "test_a_page_that_needs_a_fresh_login_is_403_until_the_login_is_confirmed",
    "HidesABrokenBackend": "test_an_unreadable_session_is_503",
    "ForgetsRedirects": "test_every_status_carries_the_cookie",
    "ForgetsEmptyResponses": "test_every_status_carries_the_cookie",
    "ForgetsUnmodifiedResponses": "test_every_status_carries_the_cookie",
    "ForgetsHead": "test_every_method_carries_the_cookie",
    "SavesABrokenBody": "test_a_failing_body_is_a_failure_and_saves_nothing",
    "ForgetsABrokenBody": "test_a_logout_in_a_failing_body_is_carried_out",
    "SavesAfterTheEnd": "test_a_body_is_saved_before_its_end_is_announced",
    "StripsAllSpace": "test_another_cookies_value_does_not_interfere_with_ours",
    "SplitsAtCommas": "test_another_cookies_value_does_not_interfere_with_ours",
    "LetsErrorsThrough": "test_a_database_that_is_down_is_a_store_error_without_secrets",
    "AnswersWithoutADatabase": "test_a_database_that_is_down_is_a_store_error_without_secrets",
    "ShowsItsQuery": "test_a_database_that_is_down_is_a_store_error_without_secrets",
    "OpensUnderAnyName": "test_a_cookie_does_not_open_under_another_name",
    "KnowsOneSecret": "test_a_cookie_does_not_open_under_another_secret",
    "RaisesAtGarbage": "test_no_altered_cookie_opens_or_raises",
    "LosesGenerations": "test_generations_come_back_if_the_format_keeps_them",
    "LosesMarks": "test_generations_come_back_if_the_format_keeps_them",
    "LosesTimes": "test_times_come_back",
    "LosesLogIds": "test_the_log_id_comes_back",
    "OpensTheSameAgain": "test_an_opened_record_belongs_to_the_caller",
    "LeavesSpace": "test_the_sealed_text_is_valid_in_a_cookie",
    "OnlySigns": "test_a_cookie_does_not_reveal_its_data",
    "ShowsItsSecret": "test_its_repr_shows_no_secret",
    "IgnoresTrailingText": "test_no_cookie_opens_with_extra_text_around_it",
    "OmitsWhatItCannotStore": "test_an_unsupported_value_is_a_type_error_that_names_the_key",
    "CutsCommitsInTwo": "test_a_request_cancelled_at_any_wait_leaves_the_old_session_or_the_new_one",
    "HidesForgottenSaves": "test_a_save_that_is_not_awaited_is_done_or_reported",
    "HidesForgottenSavesOfHandlers": "test_a_save_that_is_not_awaited_is_done_or_reported",
    "ForgetsHandshakes": "test_a_handshake_carries_the_cookie",
    "ForgetsMessages": "test_changes_made_by_messages_are_stored",
    "KnowsCookiesOnly": "test_a_session_is_sent_and_received_in_the_header",
    "VariesByCookiesOnly": "test_a_session_is_sent_and_received_in_the_header",
    "HandsOnCookiesOnly": "test_a_session_is_sent_and_received_in_the_header",
}
_noticed: set[type] = set()


def pytest_pycollect_makeitem(collector: Any, name: str) -> list[Any] | None:
    known = _KNOWN.get(collector.name.removeprefix("Test"), name)
    return [] if name.startswith("test_") and name != known else None


def pytest_runtestloop(session: pytest.Session) -> bool:
    for item in session.items:
        if item.cls not in _noticed:  # type: ignore[attr-defined]  # all of these are methods
            # No next item is passed, because it is not known yet which one will be next.
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Any:
    report = yield
    if report.failed:
        _noticed.add(item.cls)
    return report
