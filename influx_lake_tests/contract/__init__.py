"""What the project relies on in InfluxDB 3.

The tests run against the sandbox; where INFLUX_LAKE_TEST_INFLUXDB3_BINARY names the program of InfluxDB 3 Core, also
against one that they start (mark `servers`); and unchanged against a server of yours, and it alone, when these are set:

    INFLUX_LAKE_TEST_INFLUXDB3_URL=http://127.0.0.1:8181 INFLUX_LAKE_TEST_INFLUXDB3_TOKEN=apiv3_... \
        pytest influx_lake_tests/contract

They make databases whose names start with `influx_lake_contract_`, and drop them.
"""
