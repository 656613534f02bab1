"""Rules on arguments, attacked by values that the old patterns let through."""

from __future__ import annotations

import pytest

from adhere.warden import Act, Refused, Verdict
from adhere.warden.acts.acts import Rule, Table

TO = {"addresses": "*@example.org"}


def says(where, arguments, then="allow", **more):
    row = {"tools": ["t"], "then": then, "where": where, "source": "external", **more}
    return Table((Rule.model_validate(row),)).decide(Act("t", arguments)).verdict


def allows(where, value, **more):
    return says({"x": where}, {"x": value}, **more) is Verdict.ALLOW


@pytest.mark.parametrize("wanted", ["*@example.org", TO, {"addresses": ["*@example.org"]}])
@pytest.mark.parametrize(
    "value",
    [
        "mallory@evil.com, a@example.org",
        "mallory@evil.com,a@example.org",
        "mallory@evil.com;a@example.org",
        "a@example.org\nBcc: mallory@evil.com, b@example.org",
        "mallory@evil.com\n@example.org",
        "<mallory@evil.com> a@example.org",
        "mallory@evil.com\u2028a@example.org",
        "\u202ea@example.org",
        "",
    ],
)
def test_an_address_list_reaches_nobody_outside_the_domain(wanted, value):
    assert not allows(wanted, value)


def test_every_address_of_a_list_is_looked_at():
    assert allows(TO, "a@example.org, b@example.org")
    assert allows(TO, ["a@example.org", "b@example.org"])
    for value in (["a@example.org", "m@evil.com"], ["a@example.org", 1], [], None, {"m@evil.com": 1}):
        assert not allows(TO, value)
        assert says({"x": TO}, {"x": value}, "deny") is Verdict.DENY


@pytest.mark.parametrize("name", ["bcc", "cc", "headers"])
def test_an_argument_that_the_rule_does_not_name_is_asked_about(name):
    arguments = {"to": "a@example.org", name: "mallory@evil.com"}
    assert says({"to": TO}, arguments) is Verdict.ASK
    assert says({"to": TO}, arguments, free=[name]) is Verdict.ALLOW
    assert says({"to": TO}, arguments, open=True) is Verdict.ALLOW
    assert says({"to": TO}, arguments, fill={name: ""}) is Verdict.TRANSFORM
    assert says({"to": TO}, arguments, "deny") is Verdict.DENY
    assert says({}, arguments) is Verdict.ALLOW


@pytest.mark.parametrize(
    "value",
    [
        "ls $(touch x)",
        "ls `touch x`",
        "ls a; touch x",
        "ls a && touch x",
        "ls a | sh",
        "ls > x",
        "ls\ntouch x",
        "ls a & touch x",
        'ls "$(touch x)"',
        "ls <(touch x)",
    ],
)
@pytest.mark.parametrize("wanted", ["ls *", {"command": "ls *"}])
def test_a_command_pattern_runs_no_second_command(wanted, value):
    assert not allows(wanted, value)


@pytest.mark.parametrize(
    "value", ["ls $HOME", "ls ../../etc", "ls {a,b}", "ls ~", "A=1 ls x", "rm x", "ls 'a", "", "lsx a"]
)
def test_a_parsed_command_expands_nothing_and_is_that_program(value):
    assert not allows({"command": "ls *"}, value)


def test_a_command_is_compared_by_words():
    assert allows({"command": ["git log *", "git status"]}, "git log --oneline 'a b'")
    assert allows({"command": ["git log *", "git status"]}, "git status")
    assert not allows({"command": ["git log *", "git status"]}, "git status --short")
    assert not allows({"command": "git *.py"}, "git a b.py")


def test_a_path_lies_inside_its_folder_when_links_are_resolved(tmp_path):
    folder = tmp_path / "repos"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "repos-other").mkdir()
    (folder / "out").symlink_to(tmp_path)
    inside = {"inside": str(folder)}
    assert allows(inside, f"{folder}/a/file")
    assert allows(inside, str(folder))
    for value in (
        f"{folder}/../secret",
        f"{folder}/%2e%2e/secret",
        f"{folder}/out/secret",
        f"{folder}-other/x",
        f"{folder}/$HOME",
        f"{folder}/{{a,b}}",
        f"{folder}/*",
        f"{folder}/a\n/etc/passwd",
        f"{folder}/a\0",
        "a/file",
        "~/x",
        "",
    ):
        assert not allows(inside, value), value
        assert says({"x": inside}, {"x": value}, "deny") is Verdict.DENY or "-other" in value or "/out/" in value


@pytest.mark.parametrize("wanted", ["/srv/repos/*", {"regex": "/srv/repos/.*"}])
@pytest.mark.parametrize(
    "value", ["/srv/repos/../..", "/srv/repos/a/../../b", "/srv/repos/%2E%2e/x", "/srv/repos/a\n/etc/passwd"]
)
def test_a_wildcard_takes_no_step_up_and_no_second_line(wanted, value):
    assert not allows(wanted, value)
    assert says({"x": wanted}, {"x": value}, "deny") is Verdict.DENY


@pytest.mark.parametrize("value", [-1e9, -1, float("-inf"), float("inf"), float("nan"), True, "5", None])
def test_at_most_allows_nothing_below_zero(value):
    assert not allows({"at_most": 10}, value)
    assert allows({"at_most": 10}, 0)
    assert allows({"at_most": 10, "at_least": -5}, -5)
    assert not allows({"at_least": 1}, float("inf"))


def test_at_most_of_a_denial_still_covers_what_is_below_zero():
    assert says({"x": {"at_most": 10}}, {"x": -1e9}, "deny") is Verdict.DENY


@pytest.mark.parametrize("name", ["send\nNeeds: 0", "send\u202e", "a\x1b[2J", "a\u200b", "a\ue000", "a\ud800", "a\0"])
def test_a_tool_name_with_a_control_character_is_no_tool(name):
    with pytest.raises(Refused, match="control or format"):
        Act(name)


@pytest.mark.parametrize(
    "wanted", [{"regex": "("}, {"regex": 3}, {"addresses": []}, {"addresses": [""]}, {"command": 3}, {"inside": "srv"}]
)
def test_a_condition_that_cannot_be_one_is_refused_when_it_is_read(wanted):
    with pytest.raises(ValueError, match="x: "):
        Rule.model_validate({"tools": ["t"], "then": "allow", "where": {"x": wanted}})
