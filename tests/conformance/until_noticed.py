"""
A plugin of pytest that runs the tests of each class until one fails: by then the suite has noticed what is wrong.

Of a suite that is set before a mutant, only the test that is known to notice it is collected: to collect the suites in
full, 48,000 tests of which 300 are run, took most of the time.
"""

from typing import Any

import pytest

# By mutant the test that is known to notice it, in place of all of its suite. Where one is not named here the whole
# suite is run, and says which.
_KNOWN = {
    "Upserts": "test_replace_never_creates",
    "IgnoresVersions": "test_a_verb_that_is_refused_is_not_seen",
    "Overwrites": "test_a_verb_that_is_refused_is_not_seen",
    "OverwritesAndRepairs": "test_a_verb_that_is_refused_is_not_seen",
    "ForgetsRenewals": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "BuriesNamelessly": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "BuriesEmpty": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "BuriesTheData": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "FindsNoTombstones": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "RemovesBeforeItBuries": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "RemovesNothing": "test_of_many_removals_one_gets_the_row",
    "RemovesInTwoSteps": "test_of_many_removals_one_gets_the_row",
    "GivesStaleRows": "test_remove_gives_the_last_state_once",
    "SweepsTheLiving": "test_a_touched_row_outlives_its_first_expiry",
    "ForgetsTheClient": "test_read_gives_back_what_was_inserted",
    "CutsAtNUL": "test_data_comes_back_byte_by_byte",
    "ReplacesCreatedAndPrincipal": "test_a_replaced_row_is_read_whole_and_found",
    "ReplacesByRemoving": "test_a_replaced_row_is_read_whole_and_found",
    "ReplacesTheDataFirst": "test_a_replaced_row_is_read_whole_and_found",
    "ReplacesTheClient": "test_replace_leaves_created_principal_and_device_as_they_were",
    "ReplacesUnseen": "test_replace_writes_data_version_and_times",
    "TouchesBackwards": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "SeesBackwards": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TouchesUnseen": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TouchesByRemoving": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "KeepsTheExpired": "test_a_row_that_takes_the_place_of_an_expired_one_is_never_found_under_the_old_principal",
    "InsertsEmptyAtFirst": "test_an_inserted_row_is_read_whole_and_found_from_then_on",
    "BuriesNobody": "test_remove_of_nothing_leaves_no_tombstone",
    "BuriesWithTheClient": "test_remove_leaves_a_tombstone_until_then",
    "FindsOnlyTimes": "test_the_longest_principal_and_client_are_kept",
    "FindsInAnyOrder": "test_find_gives_the_rows_of_one_principal_oldest_first",
    "FindsTheDead": "test_find_lists_a_tombstone_until_it_expires",
    "ClearsTheNewer": "test_clear_goes_by_the_beginning_and_by_no_other_time",
    "ClearsNotTheLast": "test_what_was_cleared_does_not_come_back",
    "ClearsByUse": "test_clear_removes_what_began_then_or_before",
    "ClearsSessionsOnly": "test_clear_removes_tombstones_and_other_notes_too",
    "ClearsWithoutLimit": "test_clear_removes_as_many_as_it_is_told_and_counts_them",
    "SweepsWithoutLimit": "test_sweep_removes_as_many_as_it_is_told_and_counts_them",
    "ReplacesInTwoSteps": "test_of_many_replacements_none_is_lost",
    "InsertsBeforeItIndexes": "test_an_inserted_row_is_read_whole_and_found_from_then_on",
    "RemovesBeforeItUnlists": "test_a_removed_row_is_not_found_once_it_cannot_be_read",
    "SweepsAndRepairs": "test_what_lives_can_be_read_and_found_while_others_are_swept_and_cleared",
    "LosesOthersWrites": "test_writers_of_different_keys_both_win",
    "BringsBack": "test_who_is_revoked_is_missing_and_nothing_brings_it_back",
    "EndsNobody": "test_who_is_revoked_is_missing_and_nothing_brings_it_back",
    "OnlySaysThatItDeletes": "test_a_login_does_not_end_with_the_session_that_was_nobodys",
    "ForgetsThatItRenewed": "test_a_renewed_id_is_known_as_superseded_for_a_while",
    "ShedsTears": "test_a_bad_cookie_is_missing_and_never_an_error",
    "SharesItsData": "test_each_request_has_its_own_copy",
    "WritesWhenItTouches": "test_moving_the_expiry_takes_no_write_away",
    "SparesNobody": "test_a_renewed_session_is_spared_or_ended_in_its_new_place",
    "LeadsNowhere": "test_a_renewed_session_is_spared_or_ended_in_its_new_place",
    "KnowsNoHandles": "test_a_handle_chooses_one",
    "BeginsAnew": "test_get_gives_what_was_put",
    "LeadsAlways": "test_an_anonymous_session_is_not_followed_beyond_its_login",
    "RenewsWhatWasRead": "test_a_renewal_takes_along_what_another_wrote",
    "UpdatesWhatWasRead": "test_an_update_is_made_of_what_another_wrote",
    "TuplesAreLists": "test_values_beyond_json_come_back_as_they_were_or_are_refused",
    "KeysAreText": "test_values_beyond_json_come_back_as_they_were_or_are_refused",
    "SortsKeys": "test_plain_values_come_back_as_they_were",
    "FoldsTimes": "test_the_check_says_the_same_at_the_line_that_puts_it",
    "ChecksNothing": "test_the_check_says_the_same_at_the_line_that_puts_it",
    "GivesTheSameAgain": "test_each_read_returns_its_own_objects",
    "SendsNoVary": "test_caches_are_told_once",
    "LetsCachesKeepIt": "test_caches_are_told_once",
    "AlwaysVaries": "test_an_untouched_session_sends_nothing",
    "OverridesCacheControl": "test_no_shared_cache_keeps_a_response_that_sets_our_cookie",
    "LetsTheApplicationDecide": "test_no_shared_cache_keeps_a_response_that_sets_our_cookie",
    "KnowsCacheControlOnly": "test_nor_does_one_that_is_told_more_than_others",
    "NeverEnds": "test_no_change_is_taken",
    "SendsOneCookieOnly": "test_the_end_of_its_session_is_not_that_of_the_others",
    "ForgetsHowToDelete": "test_the_end_of_its_session_is_not_that_of_the_others",
    "DropsSecure": "test_a_logout_can_clear_what_the_browser_keeps",
    "KeepsOneCookieOfAName": "test_a_logout_can_clear_what_the_browser_keeps",
    "AddsNothingFurther": "test_a_logout_can_clear_what_the_browser_keeps",
    "WarnsOfNothing": "test_a_login_without_secure_warns_unless_it_is_on_this_machine",
    "WarnsOnThisMachineToo": "test_a_login_without_secure_warns_unless_it_is_on_this_machine",
    "SavesWhatFailed": "test_one_in_a_table_saves_and_counts_at_once",
    "ForgetsThatItStreams": "test_a_row_of_either_takes_changes_until_the_body_ends",
    "ForgetsToFinish": "test_a_row_of_either_takes_changes_until_the_body_ends",
    "FinishesOneOnly": "test_a_row_of_either_takes_changes_until_the_body_ends",
    "ReadsOneHeader": "test_our_cookie_reaches_the_core",
    "ReadsLeniently": "test_a_bad_cookie_is_an_empty_session_whatever_the_framework_makes_of_it",
    "AsksNobody": "test_each_is_listed_and_ended_by_its_own_principal",
    "TellsTheClientToOneOnly": "test_each_is_listed_and_ended_by_its_own_principal",
    "TellsEverything": "test_no_client_is_recorded_unless_that_is_switched_on",
    "KnowsOneSession": "test_each_has_data_of_its_own",
    "OpensThemAnew": "test_each_has_data_of_its_own",
    "CommitsOneOnly": "test_each_has_data_of_its_own",
    "UsesAllThatIsAskedFor": "test_one_that_is_asked_for_and_not_looked_into_was_not_used",
    "UsesAll": "test_one_that_is_asked_for_and_not_looked_into_was_not_used",
    "CommitsEachByItself": "test_caches_are_told_of_one_that_was_only_read",
    "StopsAtTheFirst": "test_when_one_cannot_be_written_the_other_still_ends",
    "SendsNoCookieWithAFailure": "test_when_one_cannot_be_written_the_other_still_ends",
    "RenewsAll": "test_a_login_is_in_one_and_renews_no_other",
    "EndsAll": "test_the_end_of_one_is_not_that_of_another",
    "SetsAllCookiesForTheRoot": "test_an_application_under_anothers_path_has_data_of_its_own",
    "LetsEverybodyIn": "test_what_needs_a_fresh_login_is_403_until_the_login_is_confirmed",
    "HidesABrokenBackend": "test_one_that_cannot_be_read_is_503",
    "ForgetsRedirects": "test_every_status_carries_the_cookie",
    "ForgetsEmptyResponses": "test_every_status_carries_the_cookie",
    "ForgetsUnmodifiedResponses": "test_every_status_carries_the_cookie",
    "ForgetsHead": "test_every_method_carries_the_cookie",
    "SavesABrokenBody": "test_a_body_that_breaks_is_a_failure_and_nothing_of_it_is_saved",
    "ForgetsABrokenBody": "test_a_logout_in_a_body_that_breaks_is_carried_out",
    "SavesAfterTheEnd": "test_a_body_is_saved_before_its_end_is_announced",
    "StripsAllSpace": "test_another_cookies_value_takes_nothing_from_ours",
    "SplitsAtCommas": "test_another_cookies_value_takes_nothing_from_ours",
    "LetsErrorsOut": "test_a_database_that_is_away_is_a_store_error_that_tells_nothing",
    "AnswersWithoutADatabase": "test_a_database_that_is_away_is_a_store_error_that_tells_nothing",
    "ShowsWhatItAsked": "test_a_database_that_is_away_is_a_store_error_that_tells_nothing",
    "OpensUnderAnyName": "test_it_does_not_open_under_another_name",
    "KnowsOneSecret": "test_it_does_not_open_under_another_secret",
    "RaisesAtRubbish": "test_no_altered_cookie_opens_and_nothing_is_raised",
    "LosesGenerations": "test_a_format_that_keeps_generations_gives_them_back",
    "LosesMarks": "test_a_format_that_keeps_generations_gives_them_back",
    "LosesTimes": "test_times_come_back",
    "LosesLogIds": "test_the_log_id_comes_back",
    "OpensTheSameAgain": "test_what_is_opened_belongs_to_the_caller",
    "LeavesSpace": "test_a_cookie_can_hold_it",
    "OnlySigns": "test_a_cookie_shows_no_data",
    "ShowsItsSecret": "test_it_shows_no_secret",
    "TakesWhatFollows": "test_no_cookie_opens_with_more_around_it",
    "StoresWhatItCan": "test_what_cannot_be_stored_is_a_type_error_that_names_the_key",
    "CutsCommitsInTwo": "test_a_request_cancelled_at_any_wait_leaves_the_old_session_or_the_new_one",
    "HidesForgottenSaves": "test_a_save_that_is_not_awaited_is_done_or_reported",
    "HidesForgottenSavesOfHandlers": "test_a_save_that_is_not_awaited_is_done_or_reported",
    "ForgetsHandshakes": "test_a_handshake_carries_the_cookie",
    "ForgetsMessages": "test_what_messages_change_is_stored",
    "KnowsCookiesOnly": "test_a_session_comes_and_goes_in_the_header",
    "VariesByCookiesOnly": "test_a_session_comes_and_goes_in_the_header",
    "HandsOnCookiesOnly": "test_a_session_comes_and_goes_in_the_header",
}
_noticed: set[type] = set()


def pytest_pycollect_makeitem(collector: Any, name: str) -> list[Any] | None:
    known = _KNOWN.get(collector.name.removeprefix("Test"), name)
    return [] if name.startswith("test_") and name != known else None


def pytest_runtestloop(session: pytest.Session) -> bool:
    for item in session.items:
        if item.cls not in _noticed:  # type: ignore[attr-defined]  # all of these are methods
            # Of no next item, for which of them that will be is not known yet.
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Any:
    report = yield
    if report.failed:
        _noticed.add(item.cls)
    return report
