"""The queue of pictures."""

import threading

queue_lock = threading.Lock()
