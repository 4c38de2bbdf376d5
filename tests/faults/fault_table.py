"""The 86 faults of a webhook receiver on Redis and Celery, and where each is met here.

A row is a case of this folder (by its name), a test of the suite (`file::name`), or a sentence that
says why it makes no sense here. Several may stand together.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fault."""

    fault: str
    met: tuple[str, ...]  # cases, and tests as `file::name`
    reason: str = ""  # why there is no case, or what the case leaves out


def _met(fault: str, *met: str, reason: str = "") -> Row:
    return Row(fault, met, reason)


DOOR = "integration/test_door"
ROWS = {
    1: _met("the same webhook 2 to 12 times", "results_come_twelve_times_in_any_order"),
    2: _met("four results of one task in parallel", "results_come_twelve_times_in_any_order"),
    3: _met(
        "any order, errors before successes",
        "results_come_twelve_times_in_any_order",
        "integration/test_store_property.py::test_the_books_are_in_order_whatever_happens",
    ),
    4: _met("webhook before the acknowledgment", "callbacks_overtake_the_acknowledgment"),
    5: _met("webhook never arrives", "lost_callbacks_are_made_up_for_by_polls_within_a_minute"),
    6: _met("webhook after the job ended", "results_come_after_the_job_was_cancelled"),
    7: _met("our answer is lost", "answers_of_the_door_are_lost"),
    8: _met(
        "provider closes before our answer",
        "answers_of_the_door_are_lost",
        f"{DOOR}_bodies.py::test_a_body_shorter_than_its_length_is_not_kept",
    ),
    9: _met("a retry overlaps the first", "deliveries_overlap_while_the_store_hesitates"),
    10: _met(
        "outage longer than all retries",
        "the_door_is_away_for_longer_than_all_tries",
        "everything_is_away_for_longer_than_the_deadline_and_nothing_expires",
    ),
    11: _met("retry storm", "a_storm_of_retries_meets_a_door_that_comes_back"),
    12: _met("webhook and poll at once", "a_result_comes_by_callback_and_poll_at_once"),
    13: _met(
        "webhook and poll disagree",
        "integration/test_store_callbacks.py::test_the_poll_decides_the_cost",
        "integration/test_steps_odd_answers.py::"
        "test_a_late_callback_told_differently_is_kept_beside_the_table",
    ),
    14: _met("partial results", "fewer_alike_or_failed_results_are_what_they_are"),
    15: _met(
        "more results than asked for",
        "integration/test_store_callbacks.py::test_a_surplus_is_kept_flagged_and_costs_nothing",
    ),
    16: _met("processing callbacks", "callbacks_come_in_every_shape"),
    17: _met("wrapped shapes", "callbacks_come_in_every_shape"),
    18: _met(
        "results without a name of their own", "fewer_alike_or_failed_results_are_what_they_are"
    ),
    19: _met(
        "malformed JSON", f"{DOOR}_bodies.py::test_what_cannot_be_read_is_kept_and_the_job_polled"
    ),
    20: _met("deep nesting", "unit/test_answer_hostile.py::test_deep_nesting_is_refused_at_once"),
    21: _met(
        "50 MB with Content-Length",
        f"{DOOR}_bodies.py::test_fifty_megabytes_with_their_length_are_refused_unread",
    ),
    22: _met(
        "50 MB in chunks",
        f"{DOOR}_bodies.py::test_fifty_megabytes_in_chunks_are_refused_and_not_cut_to_fit",
    ),
    23: _met("compressed bodies", f"{DOOR}_answers.py::test_compressed_bodies_are_not_taken"),
    24: _met(
        "numbers that are no prices",
        "unit/test_answer_hostile.py::test_a_cost_that_is_no_price_is_unknown_not_zero",
    ),
    25: _met(
        "hostile text",
        "texts_are_hostile",
        "unit/test_answer_hostile.py::test_a_text_with_a_lone_surrogate_is_kept_as_it_came",
    ),
    26: _met(
        "duplicate keys",
        "unit/test_answer_hostile.py::test_a_body_that_is_not_strict_json_is_unreadable",
    ),
    27: _met(
        "BOM, UTF-16",
        "unit/test_answer_hostile.py::test_a_body_that_is_not_strict_json_is_unreadable",
    ),
    28: _met(
        "odd forms of a taskUUID",
        f"{DOOR}_answers.py::test_another_jobs_task_under_this_jobs_token_is_refused",
        "unit/test_derived_ids.py::test_every_id_is_a_uuid_of_version_4_as_we_spell_it",
    ),
    29: _met("hostile Content-Type", f"{DOOR}_answers.py::test_the_content_type_does_not_matter"),
    30: _met(
        "a result URL that leads inside",
        reason="a result is text: it names no URL, and nothing that it says is fetched",
    ),
    31: _met("`__type__` in a message's body", "messages_of_others_stand_in_the_queue"),
    32: _met("CRLF, ANSI, HTML in texts", "texts_are_hostile"),
    33: _met("unknown fields", "callbacks_come_in_every_shape"),
    34: _met(
        "wrong tokens",
        f"{DOOR}_answers.py::test_no_forged_token_is_let_in_and_none_writes_anything",
    ),
    35: _met(
        "the token of another job",
        f"{DOOR}_answers.py::test_another_jobs_task_under_this_jobs_token_is_refused",
    ),
    36: _met(
        "a captured URL with a forged body",
        f"{DOOR}_results.py::test_a_second_text_for_a_completed_job_is_kept_and_not_charged",
        "integration/test_store_callbacks.py::test_the_poll_decides_the_cost",
        "unit/test_callback_token.py::test_our_own_token_passes_until_it_expires",
    ),
    37: _met(
        "keys rotated or dropped with jobs in flight",
        "the_key_of_all_tokens_is_dropped_in_the_middle",
        f"{DOOR}_settings.py::"
        "test_a_key_rotated_in_is_taken_beside_the_old_one_until_that_is_dropped",
    ),
    38: _met(
        "a flood of forged posts",
        f"{DOOR}_answers.py::test_no_forged_token_is_let_in_and_none_writes_anything",
        f"{DOOR}_bodies.py::test_a_large_body_without_a_token_is_refused_unread",
    ),
    39: _met(
        "slow clients",
        f"{DOOR}_clients.py::test_clients_that_stall_are_cut_off_and_the_others_served",
        f"{DOOR}_clients.py::test_connections_that_say_nothing_take_no_thread",
    ),
    40: _met(
        "request smuggling",
        f"{DOOR}_bodies.py::test_what_follows_a_body_is_not_part_of_it",
        f"{DOOR}_bodies.py::test_broken_chunks_are_a_bad_request_and_nothing_is_kept",
    ),
    41: _met(
        "methods and paths",
        f"{DOOR}_answers.py::test_other_paths_are_not_found_and_never_redirected",
        f"{DOOR}_answers.py::test_other_methods_are_told_that_only_post_is_allowed",
    ),
    42: _met(
        "forged X-Forwarded-For, Host",
        f"{DOOR}_fuzz.py::test_any_headers_are_answered",
        reason="the door reads neither: nothing is limited, logged or built by address or host",
    ),
    43: _met(
        "the door dies between the steps of a callback",
        "a_door_dies_between_the_steps_of_a_callback",
    ),
    44: _met("a process of the door is killed", "processes_of_the_door_are_killed_again_and_again"),
    45: _met("TERM and HUP under load", "the_door_is_reloaded_and_restarted_under_load"),
    46: _met("a process of the door stops", "a_process_of_the_door_is_stopped_and_goes_on"),
    47: _met("no file descriptors", "the_door_runs_out_of_file_descriptors"),
    48: _met(
        "two versions at once",
        reason="there is one schema yet; functions in the store are named by their version, and a "
        "newer schema is refused (integration/test_store_table.py)",
    ),
    49: _met(
        "the store refuses connections",
        "the_store_is_killed_and_started_again_and_again",
        "the_store_is_away_for_a_while",
        "callbacks_are_accepted_five_seconds_after_a_restart_of_the_store",
    ),
    50: _met("the store hangs", "the_store_hangs_for_longer_than_anybody_waits"),
    51: _met(
        "kill -9 of the store under load",
        "what_the_door_acknowledged_outlives_kills_of_the_store",
    ),
    52: _met(
        "power loss",
        "power_fails_and_the_last_second_is_gone",
        "power_fails_where_every_write_is_synced",
    ),
    53: _met("the disk stalls, then a crash", "the_disk_stalls_and_then_power_fails"),
    54: _met("history cut in a record", "the_history_ends_in_the_middle_of_a_write"),
    55: _met(
        "history damaged, deleted",
        "the_history_is_damaged_and_a_backup_is_restored",
        "the_store_is_lost_and_the_manifest_submitted_again",
        "the_command_submits_again_what_the_store_has_lost",
    ),
    56: _met(
        "the store's memory is full",
        "the_stores_memory_is_full",
        "the_stores_memory_is_full_while_a_worker_connects",
    ),
    57: _met(
        "a policy that evicts",
        reason="nothing can be held against a store that throws records away unseen: it is "
        "refused at the start, which is a check and no fault to outlive",
    ),
    58: _met("the store's disk is full", "the_stores_disk_is_full"),
    59: _met(
        "FLUSHALL",
        "somebody_empties_the_store_of_living_workers",
        "the_store_is_lost_and_the_manifest_submitted_again",
    ),
    60: _met(
        "a replica that lags takes over",
        "a_replica_that_lags_takes_over",
        "a_store_takes_the_data_of_a_replica_that_lags_and_leads_on",
        "the_store_is_demoted_and_its_name_leads_to_another_while_connections_stay",
    ),
    61: _met(
        "resets and half answers of the store",
        "connections_break_inside_scripts",
        "answers_of_the_store_come_byte_by_byte",
        "an_answer_that_never_ends_holds_the_ticker_of_a_worker",
        "every_tenth_call_to_the_store_fails_before_or_after_it_was_done",
    ),
    62: _met(
        "maxclients, rights that are withdrawn",
        "the_store_takes_no_more_clients",
        "rights_at_the_store_are_withdrawn_and_given_back",
    ),
    63: _met(
        "a message to a dead worker",
        "the_work_of_a_dead_worker_is_resumed_within_a_minute",
        "workers_are_killed_again_and_again",
        "vanished_messages_are_made_up_for_within_a_minute",
    ),
    64: _met(
        "a worker dies at any step",
        "workers_die_between_all_steps",
        "workers_die_while_callers_are_told",
        "every_tenth_call_to_the_store_fails_before_or_after_it_was_done",
        "the_user_gives_jobs_up_and_asks_for_them_again_while_workers_die",
    ),
    65: _met(
        "out of memory, segfault in a child",
        "workers_are_killed_again_and_again",
        reason="the pool is threads: there is no child, so it is the death of the worker",
    ),
    66: _met(
        "poison messages and jobs",
        "messages_of_others_stand_in_the_queue",
        "integration/test_steps_submit.py::test_a_record_that_cannot_be_read_fails_alone",
        "integration/test_steps_submit.py::"
        "test_a_task_that_no_post_survives_while_others_are_taken_is_parked_and_not_bought",
        "integration/test_store_outbox.py::"
        "test_one_poisoned_ending_is_set_aside_and_the_others_are_settled",
    ),
    67: _met(
        "work longer than its lease",
        "a_worker_that_stops_before_its_post_wakes_after_its_lease",
        "a_worker_that_stops_after_its_post_wakes_after_its_lease",
    ),
    68: _met("clocks of workers", "the_clock_of_a_worker_is_two_hours_ahead_or_behind"),
    69: _met(
        "workers that stop consuming after a restart of the store",
        "the_store_is_killed_and_started_again_and_again",
    ),
    70: _met("two that lead, or none", "two_lead_at_once", "nobody_leads_for_a_while"),
    71: _met("TERM with work in hand", "workers_are_replaced_under_load"),
    72: _met(
        "the enqueue fails after the write",
        "vanished_messages_are_made_up_for_within_a_minute",
        reason="the door sends no message: the script that stores a callback also wakes the tick",
    ),
    73: _met(
        "a backlog of 100,000",
        reason="a matter of speed, measured in benchmarks/ (drain, growth): no fault to inject",
    ),
    74: _met(
        "a POST without answer",
        "acknowledgments_are_lost",
        "a_post_is_accepted_and_never_answered",
        "a_post_never_arrives",
    ),
    75: _met("a crash around the POST", "workers_die_between_all_steps"),
    76: _met(
        "storms of 429, 402, 5xx",
        "a_storm_of_refusals",
        "the_key_is_refused_and_the_credit_spent_in_the_middle",
    ),
    77: _met("pages, halves, strangers", "answers_are_pages_halves_and_of_somebody_else"),
    78: _met(
        "DNS, resets, drips, redirects",
        "the_line_to_the_provider_drips_breaks_and_redirects",
        "integration/test_provider_http.py::"
        "test_a_name_that_nobody_has_means_that_nothing_was_sent",
        "integration/test_provider_http.py::test_over_tls_it_is_the_same",
    ),
    79: _met("polls that do not show what runs", "polls_do_not_show_what_runs"),
    80: _met("results that expire", "results_are_kept_for_three_seconds_only"),
    81: _met("the key is revoked", "the_key_is_refused_and_the_credit_spent_in_the_middle"),
    82: _met("reboot", "everything_is_killed_and_comes_back_in_any_order"),
    83: _met(
        "the clock jumps",
        "the_clock_of_the_store_jumps",
        reason="forwards by an hour, backwards by seconds: backwards by more, all that was "
        "planned waits for as long, and is not lost",
    ),
    84: _met("the disk for logs is full", "the_disk_for_logs_is_full"),
    85: _met(
        "settings that drift",
        f"{DOOR}_settings.py::test_a_wrong_setting_is_one_sentence_without_its_value",
        "e2e/test_refused_starts.py::test_a_token_that_could_be_guessed_starts_nothing",
        reason="of the store's own settings see row 57",
    ),
    86: _met(
        "upgrades that change defaults",
        "integration/test_store_faults.py::"
        "test_a_store_that_hangs_is_away_in_time_and_writes_once_when_it_wakes",
        reason="every version is locked; what rests on a default is met by its behaviour: a write "
        "sent twice by redis-py, a message that Celery loses (rows 50, 61, 63)",
    ),
}
