"""Which cloud a box is in, by what its firmware says: nothing is asked over the network for it.

EC2: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html
Google: https://cloud.google.com/compute/docs/instances/detect-compute-engine
Azure has an asset tag of its own, by which it is told from Hyper-V elsewhere:
https://github.com/canonical/cloud-init/blob/main/tools/ds-identify
"""

from __future__ import annotations

from collections.abc import Mapping

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.aws import Aws
from gptoss_tui.domain.spot.azure import Azure
from gptoss_tui.domain.spot.gcp import Gcp
from gptoss_tui.domain.spot.metadata import Metadata

# The clouds that give notice on the box. Others give none there (docs/lifecycle.md).
METADATA: dict[Cloud, Metadata] = {"aws": Aws(), "gcp": Gcp(), "azure": Azure()}
_AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"


def cloud_of(dmi: Mapping[str, str]) -> Cloud | None:
    """From the files of /sys/class/dmi/id by name, and `hypervisor_uuid` of Xen."""
    if dmi.get("sys_vendor") == "Amazon EC2" or "amazon" in dmi.get("bios_version", "").lower():
        return "aws"
    if dmi.get("hypervisor_uuid", "").lower().startswith("ec2"):
        return "aws"
    if dmi.get("product_name") == "Google Compute Engine":
        return "gcp"
    return "azure" if dmi.get("chassis_asset_tag") == _AZURE_TAG else None
