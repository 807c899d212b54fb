"""The place Boxes: candidates, connecting, host keys, adding and forgetting."""

from __future__ import annotations

from gptoss_tui.app import messages as said
from gptoss_tui.domain.gpu import GIB, GpuSnapshot
from gptoss_tui.domain.host import Finding
from gptoss_tui.errors import AuthError, StateError, UnknownHostKeyError, UnreachableError
from tests.app.fakes import Clock, FakeBox, FakeFleet
from tests.app.make import gpu, report, sample, server
from tests.app.support import Operator, at_app


async def connected(operator: Operator) -> None:
    await operator.press("enter")
    await operator.sees("● connected")


async def test_nothing_is_contacted_until_it_is_chosen(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await operator.sees("alpha", "beta", "○ not contacted", "has not been contacted")
        assert not fleet.connected
        assert operator.screen.count("--") >= 4  # GPUs and servers of both are unknown, not none
        await operator.press("down")
        await operator.sees("beta has not been contacted. Press enter to connect.")
        assert not fleet.connected
        await connected(operator)
    assert fleet.connected == {"beta"}
    assert fleet.remembered == ["beta"]


async def test_the_keys_of_the_place_are_on_the_screen(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await operator.sees("Connect / open", "w Launch", "a Add", "r Look", "f Forget")
        await operator.sees("q Quit", "? Keys")
        await operator.press("question_mark")
        await operator.at("KeysScreen")
        await operator.sees("Keys of this place", "command palette", "quit (servers go on)")
        await operator.press("q")
        await operator.at("BoxesScreen")


async def test_a_box_is_told_in_a_row_and_on_a_page(fleet: FakeFleet) -> None:
    box = fleet.boxes["alpha"]
    box.report = report(
        5,
        findings=(
            Finding(code="x", level="warning", what="The disk is nearly full.", do="Make room."),
        ),
    )
    box.servers = (server(), server("other", managed=False, state="unknown", port=None))
    async with at_app(fleet, (120, 40)) as operator:
        await connected(operator)
        await operator.sees("5 x H100 80GB", "gpt-oss-20b ready", "lab · Ubuntu 24.04")
        await operator.sees("… and 1 more GPUs", "▲ The disk is nearly full. Make room.")
        await operator.sees("▸ other unknown", "not ours: watched only")
        await operator.sees("enter opens the dashboard, w launches a model")
        assert operator.said(said.ConnectRequested) == [said.ConnectRequested("alpha")]
        await operator.press("enter")
        await operator.at("DashboardScreen")
        assert operator.said(said.DashboardRequested) == [said.DashboardRequested("alpha")]


async def test_a_box_without_gpus_has_none_and_no_figures(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].report = report(0)
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.until(
            lambda: any("alpha" in line and " none " in line for line in operator.lines), "none"
        )
        await operator.press("enter")
        await operator.sees("This box has no GPU that a driver tells of.")


async def test_an_unknown_key_is_asked_about(fleet: FakeFleet) -> None:
    fleet.refuses["connect"] = unknown_key()
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.sees("Unknown host", "SHA256:abcdef", "Accept (a)", "Refuse (r)")
        await operator.press("r")
        await operator.sees("? needs you")
        assert fleet.accepted == []
        await operator.press("enter")
        await operator.sees("Accept (a)")
        await operator.press("a")
        await operator.sees("● connected")
        assert fleet.accepted == ["ssh-ed25519 AAAA"]


def unknown_key() -> UnknownHostKeyError:
    return UnknownHostKeyError(
        "alpha was never seen before. Its key is SHA256:abcdef.",
        "Compare it with the provider's page.",
        host="alpha",
        port=22,
        fingerprint="SHA256:abcdef",
        key="ssh-ed25519 AAAA",
    )


async def test_a_refused_login_is_a_sentence_and_not_repeated(fleet: FakeFleet) -> None:
    fleet.refuses["connect"] = AuthError("alpha refused the login.", "Check ssh-add -l.")
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.hears("alpha refused the login.\nCheck ssh-add -l.")
        operator.app.clear_notifications()  # they lie over the page about the box
        await operator.sees("✗ lost", "▲ alpha refused the login.")
        (failure,) = operator.said(said.ActionFailed)
        assert (failure.box, failure.doing) == ("alpha", "connect to alpha")
        sessions = [worker for worker in operator.app.workers if worker.group == "session:alpha"]
        assert all(worker.is_finished for worker in sessions)


async def test_an_unreachable_box_is_tried_again(fleet: FakeFleet) -> None:
    fleet.refuses["connect"] = UnreachableError("Nothing answers at alpha.", "Is it on?")
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.sees("↻ retrying", "Nothing answers at alpha.")
        fleet.refuses.clear()
        await operator.sees("● connected")
        assert len(operator.said(said.ActionFailed)) == 1  # one toast, however often it is tried


async def test_adding_by_a_pasted_line(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await operator.press("a")
        await operator.sees("Add a box", "Paste the line that your provider shows")
        await operator.write("ssh root@9.9.9.9")
        await operator.press("enter")
        await operator.sees("root@9.9.9.9")
        await operator.until(lambda: fleet.connected == {"root@9.9.9.9"}, "it is connected")
        assert operator.said(said.BoxAdded) == [said.BoxAdded("ssh root@9.9.9.9")]
        await operator.press("a", "ctrl+g")
        await operator.at("BoxesScreen")
        assert len(operator.said(said.BoxAdded)) == 1


async def test_a_line_that_is_none_is_refused_in_words(fleet: FakeFleet) -> None:
    fleet.refuses["add"] = StateError("That is no ssh line [bold].", "Paste it whole.")
    async with at_app(fleet) as operator:
        await operator.press("a", "x", "enter")
        await operator.hears("That is no ssh line [bold].", "Paste it whole.")


async def test_forgetting_takes_a_box_off(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.press("f")
        await operator.sees("Disconnect alpha and take it off the list")
        await operator.press("n")
        await operator.sees("● connected")  # a slip of the finger forgets nothing
        await operator.press("f", "y")
        await operator.sees_no("alpha")
        await operator.until(lambda: not fleet.connected, "it is disconnected")
        assert "alpha" not in operator.app.models
        await operator.press("f")
        await operator.hears("There is nothing to forget: beta is not remembered (ssh config).")
        await operator.at("BoxesScreen")
        fleet.remembered.append("beta")
        await operator.press("f")
        await operator.sees("Take beta off the list")  # it was never contacted
        await operator.press("y")
        await operator.sees("There is no box yet.", "Press a to paste an ssh line")
        await operator.press("enter", "w", "r", "f")  # with nothing to do it on, nothing happens
        assert len(operator.said(said.ForgetRequested)) == 4


async def test_what_was_said_in_passing_stays_in_its_place(fleet: FakeFleet) -> None:
    async with at_app(fleet, clock=fleet.clock) as operator:
        await connected(operator)
        operator.app.tell("About the list.")
        operator.app.notify("It is taken back.", timeout=60, markup=False)
        await operator.sees("About the list.", "It is taken back.")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.sees_no("About the list.")
        await operator.sees("It is taken back.")  # that is about the box, wherever one is
        operator.app.tell("About the panes.")
        await operator.sees("About the panes.")
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.sees_no("About the panes.")


async def test_memory_in_use_that_comes_late_has_its_age(fleet: FakeFleet, clock: Clock) -> None:
    box = fleet.boxes["alpha"]
    async with at_app(fleet, (120, 40), clock=clock) as operator:
        await connected(operator)
        for behind_s in (None, 12.0):
            samples = (sample(memory_used_bytes=33 * GIB),)
            body = GpuSnapshot(gpus=samples, source="dmon", behind_s=behind_s)
            fleet.hub.publish(body, box="alpha")
            box.servers = (server(port=8000 + len(box.servers)), *box.servers)
            await box.instances()
            await operator.sees("33.0 of 79.6 GiB used")
            if behind_s is None:
                assert "old" not in operator.screen
        await operator.sees("33.0 of 79.6 GiB used · 12 s old")


async def test_a_long_page_about_a_box_can_be_read_by_keys(fleet: FakeFleet) -> None:
    findings = tuple(
        Finding(code=str(at), level="warning", what=f"Trouble {at}.", do="Look.")
        for at in range(30)
    )
    fleet.boxes["alpha"].report = report(findings=findings)
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.sees("Trouble 3.")
        assert "Trouble 29." not in operator.screen
        await operator.press("tab", "end")
        await operator.sees("Trouble 29.")


async def test_own_files_that_fail_are_sentences(fleet: FakeFleet) -> None:
    fleet.refuses["forget"] = StateError("boxes.toml cannot be written: disk full.", "Make room.")
    fleet.refuses["accept_host_key"] = StateError("known_hosts cannot be written.", "Make room.")
    fleet.remembered.append("alpha")
    async with at_app(fleet) as operator:
        await operator.press("f", "y")
        await operator.hears("boxes.toml cannot be written: disk full.")
        fleet.refuses["connect"] = unknown_key()
        await operator.press("enter")
        await operator.sees("Accept (a)")
        await operator.press("a")
        await operator.hears("known_hosts cannot be written.")


async def test_a_list_that_cannot_be_read_is_a_sentence(fleet: FakeFleet) -> None:
    fleet.refuses["candidates"] = StateError("boxes.toml is of a newer version.", "Update.")
    async with at_app(fleet) as operator:
        await operator.hears("boxes.toml is of a newer version.")
        await operator.press("ctrl+p")
        await operator.settle()
        await operator.press("escape")
        fleet.refuses.clear()


async def test_the_wizard_waits_for_a_look(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await operator.press("w")
        await operator.hears("The box has not been looked at yet: connect first (enter).")


async def test_a_read_only_session_launches_nothing(fleet: FakeFleet) -> None:
    fleet.read_only = True
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.press("w")
        await operator.hears("This is a read-only session: nothing can be launched.")
        await operator.at("BoxesScreen")


async def test_looking_again_asks_the_box(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.sees("1 x H100")
        fleet.boxes["alpha"].report = report(gpus=(gpu(name="NVIDIA H200"),))
        await operator.press("r")
        await operator.sees("1 x H200")
        assert operator.said(said.LookRequested) == [said.LookRequested("alpha")]


async def test_a_wide_screen_says_where_a_box_is_known_from(clock: Clock) -> None:
    fleet = FakeFleet(clock)
    fleet.have(FakeBox("alpha", fleet.hub))
    async with at_app(fleet, (120, 30)) as operator:
        await operator.sees("known from", "ssh config")
        await operator.pilot.resize_terminal(40, 12)
        await operator.sees_no("known from")
        await operator.sees("alpha")
