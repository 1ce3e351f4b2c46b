-- The days on which a host was busier than it mostly is. Small, so that all of it is made anew.
select day, host, cpu_max, cpu_max - median(cpu_max) over (partition by host) as above_median
from {{ ref('host_days') }}
qualify above_median > 10
