"""A plugin of pytest that runs the tests of each class until one fails: by then the suite has noticed what is wrong."""

from typing import Any

import pytest

# By mutant the test that is known to notice it, which is tried before all others of its suite.
_KNOWN = {
    "TestUpserts": "test_replace_never_creates",
    "TestIgnoresVersions": "test_a_verb_that_is_refused_is_not_seen",
    "TestOverwrites": "test_a_verb_that_is_refused_is_not_seen",
    "TestOverwritesAndRepairs": "test_a_verb_that_is_refused_is_not_seen",
    "TestForgetsRenewals": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "TestBuriesNamelessly": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "TestBuriesEmpty": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "TestBuriesTheData": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "TestFindsNoTombstones": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "TestRemovesBeforeItBuries": "test_a_removed_row_is_read_and_found_until_its_tombstone_is",
    "TestRemovesNothing": "test_of_many_removals_one_gets_the_row",
    "TestRemovesInTwoSteps": "test_of_many_removals_one_gets_the_row",
    "TestGivesStaleRows": "test_remove_gives_the_last_state_once",
    "TestSweepsTheLiving": "test_a_touched_row_outlives_its_first_expiry",
    "TestForgetsTheClient": "test_read_gives_back_what_was_inserted",
    "TestCutsAtNUL": "test_read_gives_back_what_was_inserted",
    "TestReplacesCreatedAndPrincipal": "test_a_replaced_row_is_read_whole_and_found",
    "TestReplacesByRemoving": "test_a_replaced_row_is_read_whole_and_found",
    "TestReplacesTheDataFirst": "test_a_replaced_row_is_read_whole_and_found",
    "TestReplacesTheClient": "test_replace_leaves_created_principal_and_device_as_they_were",
    "TestReplacesUnseen": "test_replace_writes_data_version_and_times",
    "TestTouchesBackwards": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TestSeesBackwards": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TestTouchesUnseen": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TestTouchesByRemoving": "test_a_touched_row_is_read_and_found_and_its_times_never_go_back",
    "TestKeepsTheExpired": "test_a_row_that_takes_the_place_of_an_expired_one_is_never_found_under_the_old_principal",
    "TestInsertsEmptyAtFirst": "test_a_row_that_takes_the_place_of_an_expired_one_is_never_found_under_the_old_principal",
    "TestBuriesNobody": "test_remove_of_nothing_leaves_no_tombstone",
    "TestBuriesWithTheClient": "test_remove_leaves_a_tombstone_until_then",
    "TestFindsOnlyTimes": "test_the_longest_principal_and_client_are_kept",
    "TestFindsInAnyOrder": "test_find_gives_the_rows_of_one_principal_oldest_first",
    "TestFindsTheDead": "test_find_lists_a_tombstone_until_it_expires",
    "TestClearsTheNewer": "test_clear_goes_by_the_beginning_and_by_no_other_time",
    "TestClearsNotTheLast": "test_what_was_cleared_does_not_come_back",
    "TestClearsByUse": "test_clear_removes_what_began_then_or_before",
    "TestClearsSessionsOnly": "test_clear_removes_tombstones_and_other_notes_too",
    "TestClearsWithoutLimit": "test_clear_removes_as_many_as_it_is_told_and_counts_them",
    "TestSweepsWithoutLimit": "test_sweep_removes_as_many_as_it_is_told_and_counts_them",
    "TestReplacesInTwoSteps": "test_of_many_replacements_none_is_lost",
    "TestInsertsBeforeItIndexes": "test_an_inserted_row_is_read_whole_and_found_from_then_on",
    "TestRemovesBeforeItUnlists": "test_a_removed_row_is_not_found_once_it_cannot_be_read",
    "TestSweepsAndRepairs": "test_what_lives_can_be_read_and_found_while_others_are_swept_and_cleared",
    "TestLosesOthersWrites": "test_writers_of_different_keys_both_win",
    "TestBringsBack": "test_who_is_revoked_is_missing_and_nothing_brings_it_back",
    "TestEndsNobody": "test_who_is_revoked_is_missing_and_nothing_brings_it_back",
    "TestOnlySaysThatItDeletes": "test_a_login_does_not_end_with_the_session_that_was_nobodys",
    "TestForgetsThatItRenewed": "test_a_renewed_id_is_known_as_superseded_for_a_while",
    "TestShedsTears": "test_a_bad_cookie_is_missing_and_never_an_error",
    "TestSharesItsData": "test_each_request_has_its_own_copy",
    "TestWritesWhenItTouches": "test_moving_the_expiry_takes_no_write_away",
    "TestSparesNobody": "test_a_renewed_session_is_spared_or_ended_in_its_new_place",
    "TestLeadsNowhere": "test_a_renewed_session_is_spared_or_ended_in_its_new_place",
    "TestKnowsNoHandles": "test_a_handle_chooses_one",
    "TestBeginsAnew": "test_get_gives_what_was_put",
    "TestLeadsAlways": "test_an_anonymous_session_is_not_followed_beyond_its_login",
    "TestRenewsWhatWasRead": "test_a_renewal_takes_along_what_another_wrote",
    "TestUpdatesWhatWasRead": "test_an_update_is_made_of_what_another_wrote",
    "TestTuplesAreLists": "test_values_beyond_json_come_back_as_they_were_or_are_refused",
    "TestKeysAreText": "test_values_beyond_json_come_back_as_they_were_or_are_refused",
    "TestSortsKeys": "test_plain_values_come_back_as_they_were",
    "TestFoldsTimes": "test_the_check_says_the_same_at_the_line_that_puts_it",
    "TestChecksNothing": "test_the_check_says_the_same_at_the_line_that_puts_it",
    "TestGivesTheSameAgain": "test_each_read_returns_its_own_objects",
    "TestDependsOnTheStack": "test_values_may_be_nested_to_the_limit_and_no_deeper",
    "TestSendsNoVary": "test_caches_are_told_once",
    "TestLetsCachesKeepIt": "test_caches_are_told_once",
    "TestAlwaysVaries": "test_an_untouched_session_sends_nothing",
    "TestOverridesCacheControl": "test_no_shared_cache_keeps_a_response_that_sets_our_cookie",
    "TestLetsTheApplicationDecide": "test_no_shared_cache_keeps_a_response_that_sets_our_cookie",
    "TestKnowsCacheControlOnly": "test_nor_does_one_that_is_told_more_than_others",
    "TestNeverEnds": "test_no_change_is_taken",
    "TestSendsOneCookieOnly": "test_the_end_of_its_session_is_not_that_of_the_others",
    "TestForgetsHowToDelete": "test_the_end_of_its_session_is_not_that_of_the_others",
    "TestDropsSecure": "test_a_logout_can_clear_what_the_browser_keeps",
    "TestKeepsOneCookieOfAName": "test_a_logout_can_clear_what_the_browser_keeps",
    "TestAddsNothingFurther": "test_a_logout_can_clear_what_the_browser_keeps",
    "TestWarnsOfNothing": "test_a_login_without_secure_warns_unless_it_is_on_this_machine",
    "TestWarnsOnThisMachineToo": "test_a_login_without_secure_warns_unless_it_is_on_this_machine",
    "TestSavesWhatFailed": "test_one_in_a_table_saves_and_counts_at_once",
    "TestForgetsThatItStreams": "test_a_row_of_either_takes_changes_until_the_body_ends",
    "TestForgetsToFinish": "test_a_row_of_either_takes_changes_until_the_body_ends",
    "TestFinishesOneOnly": "test_a_row_of_either_takes_changes_until_the_body_ends",
    "TestReadsOneHeader": "test_our_cookie_reaches_the_core",
    "TestReadsLeniently": "test_a_bad_cookie_is_an_empty_session_whatever_the_framework_makes_of_it",
    "TestAsksNobody": "test_each_is_listed_and_ended_by_its_own_principal",
    "TestTellsTheClientToOneOnly": "test_each_is_listed_and_ended_by_its_own_principal",
    "TestTellsEverything": "test_no_client_is_recorded_unless_that_is_switched_on",
    "TestKnowsOneSession": "test_each_has_data_of_its_own",
    "TestOpensThemAnew": "test_each_has_data_of_its_own",
    "TestCommitsOneOnly": "test_each_has_data_of_its_own",
    "TestUsesAllThatIsAskedFor": "test_one_that_is_asked_for_and_not_looked_into_was_not_used",
    "TestUsesAll": "test_one_that_is_asked_for_and_not_looked_into_was_not_used",
    "TestCommitsEachByItself": "test_caches_are_told_of_one_that_was_only_read",
    "TestStopsAtTheFirst": "test_when_one_cannot_be_written_the_other_still_ends",
    "TestSendsNoCookieWithAFailure": "test_when_one_cannot_be_written_the_other_still_ends",
    "TestRenewsAll": "test_a_login_is_in_one_and_renews_no_other",
    "TestEndsAll": "test_the_end_of_one_is_not_that_of_another",
    "TestSetsAllCookiesForTheRoot": "test_an_application_under_anothers_path_has_data_of_its_own",
    "TestLetsEverybodyIn": "test_what_needs_a_fresh_login_is_403_until_the_login_is_confirmed",
    "TestHidesABrokenBackend": "test_one_that_cannot_be_read_is_503",
    "TestForgetsRedirects": "test_every_status_carries_the_cookie",
    "TestForgetsEmptyResponses": "test_every_status_carries_the_cookie",
    "TestForgetsUnmodifiedResponses": "test_every_status_carries_the_cookie",
    "TestForgetsHead": "test_every_method_carries_the_cookie",
    "TestSavesABrokenBody": "test_a_body_that_breaks_is_a_failure_and_nothing_of_it_is_saved",
    "TestForgetsABrokenBody": "test_a_logout_in_a_body_that_breaks_is_carried_out",
    "TestSavesAfterTheEnd": "test_a_body_is_saved_before_its_end_is_announced",
    "TestStripsAllSpace": "test_another_cookies_value_takes_nothing_from_ours",
    "TestSplitsAtCommas": "test_another_cookies_value_takes_nothing_from_ours",
}
_noticed: set[type] = set()


def pytest_collection_modifyitems(items: list[Any]) -> None:
    items.sort(key=lambda item: _KNOWN.get(item.cls.__name__) != item.originalname)


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
