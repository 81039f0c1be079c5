"""What words after a command mean: nothing that somebody wrote as a goal is taken for something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.chat.slack.goals import Said, goal_of, said_in, words_of
from activities.chat.slack.repositories import like, meant, short
from activities.chat.slack.words import Verb, Words, as_plain, shown, without_mention, words
from workflows.models.task import MAX_GOAL_CHARS

KNOWN = ("github:acme/shop", "github:acme/site", "github:other/shop", "/srv/git/tools.git", "https://git.test/a/b.git")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", Words(Verb.FORM)),
        ("  new ", Words(Verb.FORM)),
        ("help", Words(Verb.HELP)),
        ("Help me with add()", Words(Verb.WORK, "Help me with add()")),
        ("status", Words(Verb.STATUS)),
        ("status abcd234567", Words(Verb.STATUS, task="abcd234567")),
        ("status codes are wrong", Words(Verb.WORK, "status codes are wrong")),
        ("cancel abcd234567", Words(Verb.CANCEL, task="abcd234567")),
        ("approve c4ffnej4ju", Words(Verb.ELSEWHERE, "approve")),
        ("revert p247", Words(Verb.ELSEWHERE, "revert")),
        ("stop c4ffnej4ju", Words(Verb.CANCEL, task="c4ffnej4ju")),
        ("merge c4ffnej4ju", Words(Verb.MERGE, task="c4ffnej4ju")),
        ("revert caching", Words(Verb.WORK, "revert caching")),
        ("statsu", Words(Verb.UNSURE, "status")),
        ("typ:docs say why", Words(Verb.UNSURE, "type:")),
        ("fix:the till", Words(Verb.WORK, "fix:the till")),
        ("tests", Words(Verb.WORK, "tests")),
        ("cancel buttons do nothing", Words(Verb.WORK, "cancel buttons do nothing")),
        ("merge the two lists", Words(Verb.WORK, "merge the two lists")),
        ("mine is broken", Words(Verb.WORK, "mine is broken")),
        ("halt all of it", Words(Verb.HALT, "all of it")),
        ("halt\nall of it", Words(Verb.HALT, "all of it")),
        ("HALT: all of it", Words(Verb.HALT, "all of it")),
        ("halt!", Words(Verb.HALT)),
        ("again\nwith tests\n\nand docs", Words(Verb.AGAIN, "with tests\n\nand docs")),
        ("Merge it please!", Words(Verb.MERGE)),
        ("please cancel this.", Words(Verb.CANCEL)),
        ("stop", Words(Verb.CANCEL)),
        ("LGTM", Words(Verb.ELSEWHERE, "approve")),
        ("approve", Words(Verb.ELSEWHERE, "approve")),
        ("Please reject it", Words(Verb.ELSEWHERE, "reject")),
        ("revert this now!", Words(Verb.ELSEWHERE, "revert")),
        ("revert the cache to its old size", Words(Verb.WORK, "revert the cache to its old size")),
        ("approve nothing that is empty", Words(Verb.WORK, "approve nothing that is empty")),
        ("again", Words(Verb.AGAIN)),
        ("again with tests", Words(Verb.AGAIN, "with tests")),
        ("in acme/shop mend it", Words(Verb.WORK, "mend it", repository="acme/shop")),
        ("in the README say why", Words(Verb.WORK, "in the README say why")),
        (
            "repo:tools type:docs agent:a base:next scope:a/** scope:b mend type:x",
            Words(
                Verb.WORK,
                "mend type:x",
                repository="tools",
                task_type="docs",
                agent="a",
                base="next",
                scope=("a/**", "b"),
            ),
        ),
    ],
)
def test_words_mean_what_help_says(text: str, meaning: Words) -> None:
    assert words(text) == meaning


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("<!channel> <!here|@here> <!subteam^S1|@ops>", "@channel @here @ops"),
        ("<@U1> <@U1|ada> <#C1|general> <#C1>", "@U1 @ada #general #C1"),
        ("<https://a.test> <https://a.test|a.test>", "https://a.test https://a.test"),
        ("<https://evil.test|https://a.test>", "https://a.test (https://evil.test)"),
        ("<mailto:a@b.test|a@b.test>", "a@b.test"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("1 < 2 > 0 &copy; <b>", "1 < 2 > 0 &copy; <b>"),
    ],
)
def test_slack_s_marks_become_words_that_hide_nothing(marked: str, plain: str) -> None:
    assert as_plain(marked) == plain


@given(st.text(max_size=200))
def test_whatever_is_shown_holds_no_mark_of_slack_s(text: str) -> None:
    assert "<" not in shown(text) and ">" not in shown(text)


@given(st.text(max_size=300))
def test_no_words_are_too_odd_to_be_read(text: str) -> None:
    assert words(as_plain(without_mention(text, "U1"))).verb in Verb


def test_only_the_app_s_own_mention_is_taken_away() -> None:
    assert without_mention("<@U1> ask <@U2>", "U1") == " ask <@U2>"
    assert without_mention("please <@U1|agent> go", "U1") == "please  go"
    assert without_mention("<@U9> go", "") == " go"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("acme/shop", "github:acme/shop"),
        ("ACME/Site", "github:acme/site"),
        ("github:other/shop", "github:other/shop"),
        ("shop", ""),
        ("tools", "/srv/git/tools.git"),
        ("/srv/git/tools.git", "/srv/git/tools.git"),
        ("/etc", ""),
        ("a/b", "https://git.test/a/b.git"),
        ("", ""),
    ],
)
def test_a_repository_is_one_that_is_listed_or_none(asked: str, found: str) -> None:
    assert meant(asked, KNOWN) == found


@pytest.mark.parametrize(
    ("typed", "first"),
    [("acme/shpo", "acme/shop"), ("stie", "acme/site"), ("tols", "tools"), ("oth", "other/shop"), ("SIT", "acme/site")],
)
def test_a_mistyped_repository_is_found(typed: str, first: str) -> None:
    assert short(like(typed, KNOWN)[0]) == first


def test_what_is_like_nothing_finds_nothing_and_nothing_typed_finds_all() -> None:
    assert like("zzzzqqq", KNOWN) == []
    assert like("", KNOWN) == list(KNOWN)


def test_a_goal_keeps_the_newest_of_a_long_thread_and_says_what_is_left_out() -> None:
    thread = [Said(str(number), "U1", f"message {number} " + "x" * 1200) for number in range(100)]
    goal = goal_of("mend it", thread)
    assert len(goal) <= MAX_GOAL_CHARS
    assert goal.startswith("mend it\n\nSaid before in the thread")
    assert "earlier messages are left out" in goal and "message 99 " in goal and "message 0 " not in goal


def test_another_attempt_takes_the_words_and_not_the_thread_a_second_time() -> None:
    thread = [Said("1", "U1", "It subtracts.")]
    goal = goal_of("mend it\n\nwith a test", thread)
    assert words_of(goal) == "mend it\n\nwith a test"
    assert goal_of(words_of(goal), thread) == goal
    assert words_of("mend it") == "mend it"


def test_bots_edits_of_slack_s_and_the_command_itself_are_no_part_of_a_thread() -> None:
    told = [
        {"ts": "1", "user": "U1", "text": "Look &lt;here&gt;"},
        {"ts": "2", "user": "U0BOT", "bot_id": "B1", "text": "I am a bot"},
        {"ts": "3", "user": "U1", "subtype": "channel_join", "text": "joined"},
        {"ts": "4", "user": "U1", "text": "@agent mend it"},
        {"ts": "5", "user": "U2", "text": "  "},
    ]
    assert said_in(told, but="4") == [Said("1", "U1", "Look <here>")]
