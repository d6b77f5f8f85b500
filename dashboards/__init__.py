"""What Grafana shows: dashboards, alert rules and provisioning, as code.

`python -m dashboards` writes what the modules here describe into `grafana/`, which Grafana is given as it is. That is
committed, and a test holds both equal. See docs/grafana.md.

queries     what a panel asks of ClickHouse or Prometheus
panels      the kinds of panel, and their colours
page        variables, links, and how panels become a dashboard
live, fleet, grid, meter, heat, water, alerts, pipeline   one dashboard each
rules       alert rules
macros      what the data source makes of the macros and variables in a query
"""
