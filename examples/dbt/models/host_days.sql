-- A row per host and day. A batch is a day: done again, it replaces that day.
{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='day', batch_size='day',
          begin=var('begin', '2026-01-01')) }}

with cpu as (
    select host, time_bucket(interval 1 day, time) as day, avg(usage_user_mean) as cpu_mean, max(usage_user_max) as cpu_max
    from {{ source('telemetry', 'cpu_hourly') }}
    group by all
),
mem as (
    select host, time_bucket(interval 1 day, time) as day, avg(used_percent) as mem_mean
    from {{ source('telemetry', 'mem') }}
    group by all
)
select day, host, cpu_mean, cpu_max, mem_mean
from cpu left join mem using (day, host)
