"""Training: data in memory, crops cut by threads, time-boxed runs that survive being cut off."""
