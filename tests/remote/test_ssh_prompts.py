"""Passphrases, passwords and second factors: asked for as the server asks, and no oftener."""

from __future__ import annotations

import asyncio
import logging
import pickle
from pathlib import Path

import asyncssh
import pytest

from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import AuthError
from gptoss_tui.remote import ssh_login
from gptoss_tui.remote.answers import Answers
from gptoss_tui.remote.reconnect import may_retry
from tests.remote.ssh_parts import CODE, PASSWORD, Door, Laptop, Person, laptop, opened


def _ready(made: Laptop, door: Door, *lines: str) -> None:
    made.knows(door)
    made.hosts(made.host("box", door, *lines))


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    door = Door(methods=("password",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(PASSWORD)
        await made.connect("box")
        (request,) = person.asked
        assert (request.box, request.kind, request.echo) == ("box", "password", False)
        assert made.told == [("box", request.title), ("box", "")]
        assert door.logins == 1


async def test_a_wrong_password_is_asked_for_again_three_times_at_most(tmp_path: Path) -> None:
    door = Door(methods=("password",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person("one", "two", "three", "four")
        with pytest.raises(AuthError) as refusal:
            await made.connect("box")
        assert [request.again for request in person.asked] == [False, True, True]
        assert door.tried == [("one",), ("two",), ("three",)]
        assert "what you typed" in refusal.value.next_step
        made.prompter = Person("wrong", PASSWORD)
        await made.connect("box")


async def test_fewer_questions_where_the_config_says_so(tmp_path: Path) -> None:
    door = Door(methods=("password",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door, "NumberOfPasswordPrompts 1")
        person = made.prompter = Person("one", "two")
        with pytest.raises(AuthError):
            await made.connect("box")
        assert len(person.asked) == 1


async def test_a_second_factor_with_several_questions(tmp_path: Path) -> None:
    door = Door(
        methods=("keyboard-interactive",),
        challenge=("Duo", "Two steps.", [("Password: ", False), ("Code: ", True)]),
        answers=(PASSWORD, CODE),
    )
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(PASSWORD, CODE)
        await made.connect("box")
        first, second = person.asked
        assert (first.echo, second.echo) == (False, True)
        assert "Two steps." in first.text
        assert "Password:" in first.text
        assert "Code:" in second.text
        assert {first.kind, second.kind} == {"answer"}


async def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    door = Door(methods=("keyboard-interactive",), answers=("",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        made.prompter = Person("")
        await made.connect("box")


@pytest.mark.parametrize("methods", [("password",), ("keyboard-interactive", "password")])
async def test_closing_the_dialog_ends_the_login(tmp_path: Path, methods: tuple[str, ...]) -> None:
    door = Door(methods=methods)
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(None)
        with pytest.raises(AuthError) as refusal:
            await made.connect("box")
        assert "was cancelled" in refusal.value.message
        assert len(person.asked) == 1
        assert door.tried == []


async def test_nobody_to_ask(tmp_path: Path) -> None:
    door = Door(methods=("password", "keyboard-interactive"))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        with pytest.raises(AuthError) as refusal:
            await made.connect("box")
        assert "--password-file" in refusal.value.next_step
        assert door.tried == []


@pytest.mark.parametrize("form", ["openssh", "pkcs1-pem"])
@pytest.mark.parametrize("public", [True, False])
async def test_a_passphrase(tmp_path: Path, form: str, public: bool) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(passphrase="hush", form=form),))
        if public:
            key = asyncssh.read_private_key(tmp_path / "id", "hush")
            key.write_public_key(tmp_path / "id.pub")
        async with opened(door):
            _ready(made, door, f"IdentityFile {tmp_path}/id")
            person = made.prompter = Person("wrong", "hush")
            first = await made.connect("box")
            assert [request.kind for request in person.asked] == ["passphrase"] * 2
            assert str(tmp_path / "id") in person.asked[0].text
            assert person.asked[1].again
            first.connection.close()
            await made.connect("box", "another box")  # it stays unlocked for the run
            assert door.logins == 2


async def test_a_key_that_the_server_does_not_want_is_not_unlocked(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        made.key("old", passphrase="hush")
        door = Door(keys=(made.key("new"),))
        async with opened(door):
            _ready(made, door, f"IdentityFile {tmp_path}/old", f"IdentityFile {tmp_path}/new")
            person = made.prompter = Person()
            await made.connect("box")
            assert person.asked == []


async def test_many_boxes_ask_for_one_passphrase_once(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(passphrase="hush"),))
        async with opened(door):
            _ready(made, door, f"IdentityFile {tmp_path}/id")
            person = made.prompter = Person("hush")
            await asyncio.gather(*(made.connect("box", f"box {n}") for n in range(8)))
            assert len(person.asked) == 1
            assert door.logins == 8


async def test_a_key_that_is_missing_is_named_when_the_login_is_refused(tmp_path: Path) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door, f"IdentityFile {tmp_path}/gone")
        with pytest.raises(AuthError) as refusal:
            await made.connect("box")
        assert f"{tmp_path}/gone cannot be read" in refusal.value.next_step


async def test_no_clock_runs_while_a_person_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_login, "LOGIN_TIMEOUT_S", 0.4)
    door = Door(methods=("password",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(PASSWORD)
        loop = asyncio.get_running_loop()

        def typing() -> asyncio.Future[None]:
            typed = loop.create_future()
            loop.call_later(0.9, typed.set_result, None)
            return typed

        person.before = typing
        await made.connect("box")


async def test_a_server_that_hangs_up_on_a_question_is_not_asked_again(tmp_path: Path) -> None:
    door = Door(methods=("password",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(PASSWORD)

        def hung_up() -> asyncio.Future[None]:
            door.sides[0].abort()  # as sshd does after LoginGraceTime
            return asyncio.get_running_loop().create_future()

        person.before = hung_up
        with pytest.raises(AuthError) as refusal:
            await made.connect("box")
        assert "box hung up before it had an answer (box: password)" in refusal.value.message
        assert not may_retry(refusal.value)
        assert made.told[-1] == ("box", "")  # the dialog is closed


async def test_who_types_holds_up_nobody(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        slow, quick = Door(methods=("password",)), Door(keys=(made.key(),))
        async with opened(slow, quick):
            made.knows(slow)
            made.knows(quick)
            key = f"IdentityFile {tmp_path}/id"
            made.hosts(made.host("slow", slow) + made.host("quick", quick, key))
            person = made.prompter = Person(*[PASSWORD] * 8)
            typed = asyncio.get_running_loop().create_future()
            person.before = lambda: asyncio.ensure_future(asyncio.shield(typed))
            waiting = [asyncio.create_task(made.connect("slow", f"slow {n}")) for n in range(8)]
            async with asyncio.timeout(10):
                await made.connect("quick")
            typed.set_result(None)
            await asyncio.gather(*waiting)
            assert slow.logins == 8


async def test_hostile_words_of_a_server_are_cleaned(tmp_path: Path) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2JPass\u202eword\x9b31m" + "x" * 5000
    door = Door(methods=("keyboard-interactive",), challenge=(evil, evil, [(evil, False)]))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(PASSWORD)
        await made.connect("box")
        (request,) = person.asked
        assert len(request.text) <= 600
        assert not set(request.text + request.title) & set("\x1b\x07\x9b\u202e")


async def test_a_question_stays_in_sight_whatever_is_said_before_it(tmp_path: Path) -> None:
    said = "Welcome.\n" + "\n" * 500 + "a\n" * 100 + "b" * 5000
    door = Door(methods=("keyboard-interactive",), challenge=(said, said, [("\n\nCode: ", False)]))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        person = made.prompter = Person(PASSWORD)
        await made.connect("box")
        (request,) = person.asked
        lines = request.text.splitlines()
        assert "Welcome." in lines[0]
        assert len(lines) <= 10
        assert lines[-1] == "Code:"


async def test_secrets_are_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    door = Door(methods=("password",))
    async with opened(door), laptop(tmp_path) as made:
        _ready(made, door)
        made.prompter = Person("a wrong one", PASSWORD)
        opened_now = await made.connect("box")
        for text in (caplog.text, repr(made.told), repr(opened_now), repr(vars(made.dialer))):
            assert PASSWORD not in text
            assert "a wrong one" not in text


def test_a_secret_prints_as_stars() -> None:
    secret = Secret("hush")
    assert f"{secret} {secret!r} {[secret]}" == "Secret(***) Secret(***) [Secret(***)]"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def _request(
    kind: str, text: str = "Password:", *, echo: bool = False, again: bool = False
) -> PromptRequest:
    return PromptRequest("box", kind, "title", text, echo, again)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (_request("password"), "pw"),
        (_request("answer", "(me@box) Password: "), "pw"),
        (_request("answer", "Verification code: "), "typed"),
        (_request("answer", "Password: ", echo=True), "typed"),
        (_request("password", again=True), "typed"),
        (_request("passphrase"), "pp"),
        (_request("passphrase", again=True), "typed"),
    ],
)
async def test_answers_from_files_are_given_once_and_to_what_they_are_for(
    request_: PromptRequest, answer: str
) -> None:
    answers = Answers(Secret("pw"), Secret("pp"), Person("typed"))
    given = await answers.ask(request_)
    assert given is not None
    assert given.reveal() == answer
    alone = await Answers(Secret("pw"), Secret("pp"), None).ask(request_)
    assert (None if alone is None else alone.reveal()) == (None if answer == "typed" else answer)
