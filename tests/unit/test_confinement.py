"""What confines containers on a box is decided by that box, for a plan and for an export alike."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gptoss_tui.domain.export.again import placed
from gptoss_tui.domain.host import BoxReport, DockerInfo
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.render import docker_run, engine_api_body
from gptoss_tui.domain.spec import build_spec
from tests.unit.make import gpu, report, request, spec

PLAIN = DockerInfo(version="28.1.0", api_version="1.49", via="socket", runtimes=("nvidia",))
SHUT = DockerInfo(
    version="28.1.0", api_version="1.49", via="socket", runtimes=("nvidia",), selinux=True,
    userns_remap=True,
)  # fmt: skip


def planned(box: BoxReport) -> LaunchSpec:
    made = plan(request())
    return build_spec(
        plan=made,
        report=box,
        gpus=box.gpus,
        launch_id="20260102-030405-abcdef",
        created_by="ann@lap",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("docker", "options", "host_user"), [(PLAIN, (), False), (SHUT, ("label=disable",), True)]
)
def test_the_box_decides(docker: DockerInfo, options: tuple[str, ...], host_user: bool) -> None:
    box = report(docker=docker, gpus=(gpu(),))
    made = planned(box)
    assert (made.security_opt, made.host_user) == (options, host_user)
    elsewhere = spec(
        security_opt=("label=disable",) if not options else (), host_user=not host_user
    )
    again = placed(elsewhere, report=box, others=())
    assert (again.security_opt, again.host_user) == (options, host_user)


def test_what_is_not_needed_is_not_said() -> None:
    host = engine_api_body(spec())["HostConfig"]
    assert "SecurityOpt" not in host
    assert "UsernsMode" not in host
    assert not {"--security-opt", "--userns"} & set(docker_run(spec()))
