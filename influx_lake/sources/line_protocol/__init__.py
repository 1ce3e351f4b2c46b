"""Files of line protocol: exports of InfluxDB 1.x and 2.x, and what Telegraf writes."""
