"""Python reads this when it starts: on a moved clock libfaketime refuses the sleep until an instant that Python asks for since 3.11."""

import select
import time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
