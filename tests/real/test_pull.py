"""A pull that is interrupted, refused or contested, on a real Docker Engine."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.real.box import RealBox
from tests.real.cli import Cli, Document
from tests.real.relay import Relay
from tests.real.waiting import until

IMAGE = "lab/small:1"
MIB = 1024**2


@pytest.fixture
def where(box: RealBox) -> tuple[str, ...]:
    return ("box", "-F", str(box.ssh_config))


@pytest.fixture
def held(box: RealBox, relay: Relay) -> Relay:
    """The registry stops in the middle of the image, which the box does not have."""
    box.forget_image(IMAGE)
    relay.hold_after(4 * MIB)
    return relay


def launch_state(cli: Cli, where: tuple[str, ...]) -> Document:
    (status,) = cli.json("status", *where)
    launch: Document = status["launches"][0]["body"]
    return launch


def test_a_launch_outlives_the_laptop(
    box: RealBox, ssh: Cli, where: tuple[str, ...], held: Relay
) -> None:
    client = ssh.start("launch", *where, "--image", IMAGE, "--yes", "--wait", "--json")
    assert held.held.wait(100)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    assert_goes_on(box, ssh, where, held)


def test_a_launch_outlives_the_app_on_the_box_itself(box: RealBox, local: Cli, held: Relay) -> None:
    client = local.start("launch", "local", "--image", IMAGE, "--yes", "--wait", "--json")
    assert held.held.wait(100)
    for pid in box.run("pgrep", "-f", "gptoss-tui launch local").split():
        box.run("kill", "-9", pid)
    client.communicate()
    assert_goes_on(box, local, ("local",), held)


def assert_goes_on(box: RealBox, cli: Cli, where: tuple[str, ...], held: Relay) -> None:
    until("nothing of the app is left", lambda: not watchers(box), timeout_s=30)
    assert launch_state(cli, where)["state"] == "running"
    held.release()
    until("the launch is ready", lambda: launch_state(cli, where)["state"] == "ready")
    assert box.containers() == ["gpt-oss-20b"]


def watchers(box: RealBox) -> list[str]:
    signs = ("gptoss-watch", "tail", "gptoss-tui launch")
    return [line for line in box.processes() if any(sign in line for sign in signs)]


def test_a_cancelled_pull_leaves_nothing_and_says_so(
    box: RealBox, ssh: Cli, where: tuple[str, ...], held: Relay
) -> None:
    before = layers(box)
    client = ssh.start("launch", *where, "--image", IMAGE, "--yes", "--wait", "--json")
    assert held.held.wait(100)
    (fact,) = ssh.json("cancel", *where)
    said, _ = client.communicate(timeout=100)

    assert fact["body"]["text"].endswith("was cancelled. Nothing of it remains.")
    assert layers(box) == before
    assert client.returncode == 6
    assert "The launch was cancelled." in said
    assert launch_state(ssh, where)["state"] == "cancelled"
    assert box.containers() == []
    assert not [line for line in box.processes() if "curl" in line or "helper.sh" in line]
    assert not list((box.folder / "var_tmp").glob("gptoss-tui/*"))


def layers(box: RealBox) -> list[str]:
    """What Docker has of images, of whole ones or not."""
    found = box.run("ls", "/var/lib/docker/image/overlay2/layerdb/sha256", check=False)
    return sorted(found.split())


FIRST = ("--gpu-ids", "0", "--port", "8000", "--name", "first")


@pytest.fixture
def colleague(box: RealBox) -> tuple[str, ...]:
    """The box for somebody else: the app knows nothing of what other users' helpers do."""
    home = box.folder / "colleague"
    home.mkdir(exist_ok=True)
    return box.sshd(2201, SetEnv=f"PATH={box.path} XDG_STATE_HOME={home}")


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        (("--gpu-ids", "0"), "gpu-GPU-3c1f2a52-7b7d-4f0e-9a55-0b6b1a7b0000"),
        (("--gpu-ids", "1", "--port", "8000"), "port-8000"),
        (("--gpu-ids", "1", "--port", "8001", "--name", "first"), "name-first"),
    ],
)
@pytest.mark.usefixtures("held")
def test_two_operators_cannot_take_the_same(
    ssh: Cli, where: tuple[str, ...], colleague: tuple[str, ...], words: tuple[str, ...], taken: str
) -> None:
    (begun,) = ssh.json("launch", *where, "--image", IMAGE, "--yes", *FIRST)
    (refused,) = ssh.json("launch", *colleague, "--image", IMAGE, "--yes", *words, code=4)
    assert refused["error"]["code"] == "conflict"
    assert f"root is launching {begun['launch_id']} with {taken}" in refused["error"]["message"]


def test_of_two_launches_at_once_one_is_refused(
    ssh: Cli, where: tuple[str, ...], colleague: tuple[str, ...], held: Relay
) -> None:
    words = ("--image", IMAGE, "--yes", "--gpu-ids", "0", "--json")
    clients = [ssh.start("launch", *box, *words) for box in (where, colleague)]
    for client in clients:
        client.communicate(timeout=60)
    assert sorted(client.returncode for client in clients) == [0, 4]


def test_a_claim_outlives_no_helper(
    box: RealBox, ssh: Cli, where: tuple[str, ...], colleague: tuple[str, ...], held: Relay
) -> None:
    ssh.json("launch", *where, "--image", IMAGE, "--yes", *FIRST)
    assert held.held.wait(100)
    box.kill_helpers()
    held.release()
    documents = ssh.json("launch", *colleague, "--image", IMAGE, "--yes", *FIRST, "--wait")
    assert documents[-1]["body"]["state"] == "ready"
    (status,) = ssh.json("status", *where)
    assert "ended without a word" in status["launches"][0]["body"]["error"]


def test_a_number_that_another_process_has_now_is_left_alone(
    box: RealBox, ssh: Cli, where: tuple[str, ...], held: Relay
) -> None:
    """As after a reboot: the helper is gone without a word, and its number is somebody else's."""
    (begun,) = ssh.json("launch", *where, "--image", IMAGE, "--yes", *FIRST)
    assert held.held.wait(100)
    box.kill_helpers()
    launch = box.home / ".local/state/gptoss-tui/launches" / begun["launch_id"]
    other = subprocess.Popen(box.enter("sleep", "6007"))
    try:
        pid = until("it runs", lambda: box.run("pgrep", "-fx", "sleep 6007", check=False).split())[
            0
        ]
        (launch / "pid").write_text(pid)
        assert launch_state(ssh, where)["state"] == "failed"
        ssh.json("cancel", *where, begun["launch_id"], code=3)
        assert other.poll() is None
        assert pid in box.run("pgrep", "-fx", "sleep 6007").split()
    finally:
        box.run("pkill", "-fx", "sleep 6007")
        other.wait()


def test_a_running_server_keeps_its_gpu(
    ssh: Cli, where: tuple[str, ...], colleague: tuple[str, ...]
) -> None:
    ssh.json("launch", *where, "--image", IMAGE, "--yes", *FIRST, "--wait")
    (refused,) = ssh.json("launch", *colleague, "--yes", "--gpu-ids", "0", code=4)
    assert refused["error"]["code"] == "conflict"
    assert "first" in refused["error"]["message"]


def test_a_tag_that_does_not_exist(
    box: RealBox, relay: Relay, ssh: Cli, where: tuple[str, ...]
) -> None:
    image = f"{box.gateway}:{relay.port}/lab/small:nope"
    *_, last = ssh.json("launch", *where, "--image", image, "--yes", "--wait", code=6)
    assert last["error"]["message"].startswith("The image does not exist: ")
    assert "nope" in last["error"]["message"]
    assert box.containers() == []


def test_a_registry_that_cannot_be_reached(box: RealBox, ssh: Cli, where: tuple[str, ...]) -> None:
    *_, last = ssh.json("launch", *where, "--image", "lab/absent:1", "--yes", "--wait", code=6)
    assert last["error"]["message"].startswith("The box cannot reach the registry: ")
    assert box.containers() == []


def test_a_server_that_dies_while_loading(box: RealBox, ssh: Cli, where: tuple[str, ...]) -> None:
    *_, last = ssh.json("launch", *where, "--image", "lab/broken:1", "--yes", "--wait", code=6)
    assert "exit code 3" in last["error"]["message"]
    assert "What remains: the stopped container gpt-oss-20b" in last["error"]["message"]
    *_, log = ssh.json("logs", *where)
    assert "this image is broken" in log["body"]["text"]
    ssh.json("stop", *where)
    assert box.containers() == []


def test_a_pull_that_breaks_goes_on_and_tells_of_it(
    box: RealBox, ssh: Cli, where: tuple[str, ...], held: Relay
) -> None:
    """The registry's connections are cut in the middle of the image, and it is away for a while."""
    client = ssh.start("launch", *where, "--image", IMAGE, "--yes", "--wait", "--json")
    assert held.held.wait(100)
    box.run("iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", str(held.port), "-j", "REJECT",
            "--reject-with", "tcp-reset")  # fmt: skip
    try:
        until("it is tried again", lambda: pull_of(launch_state(ssh, where))["retries"])
    finally:
        box.run("iptables", "-F", "OUTPUT")
    held.release()
    until("the image is there", lambda: pull_of(launch_state(ssh, where))["state"] == "done")
    client.kill()


def pull_of(launch: Document) -> Document:
    pull: Document = next(phase for phase in launch["phases"] if phase["name"] == "pull")
    return pull
