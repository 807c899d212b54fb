"""What was launched, as a file that starts the same container without this program."""

from gptoss_tui.domain.export.files import FORMATS, Format, changed_lines, export, read_back

__all__ = ["FORMATS", "Format", "changed_lines", "export", "read_back"]
