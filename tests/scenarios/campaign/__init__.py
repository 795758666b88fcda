"""The fault campaign: a small company on all platforms, all that can fail, and what must hold after it.

`python -m tests.scenarios.campaign --kills 20 --seed 1 --database sqlite` runs one. Three processes share the
work: the driver, which starts and kills; the platforms with the model of the company, which inject faults and
watch every call; and one life of `segsync` after the other, each forked from the warm driver.
"""
