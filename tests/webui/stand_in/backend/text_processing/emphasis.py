"""What weights do to a chunk: the same classes as A1111's."""

from modules.sd_emphasis import get_current_option

__all__ = ["get_current_option"]
