"""SQL of what is dark: the tree of the grid, and the customers without supply, each counted once.

Outages overlap in the tree: where a feeder opens above a fuse that is open, customers below both count at the feeder.
"""

HERE = "substation IN (${substation:sqlstring})"
DARK = f"{HERE} AND state != 'cleared'"
OPENED = "if(empty(dark), [device], dark)"
"""What of an outage is open or dark: its device, or the branches that are left of it."""

TREE = f"""
                nodes AS (SELECT substation, node, parent, kind, customers FROM flexmeter.grid_nodes WHERE {HERE}),
                tree AS
                (
                    SELECT substation, node, kind, customers, '' AS feeder, [node] AS way FROM nodes WHERE parent = ''
                    UNION ALL
                    SELECT
                        nodes.substation, nodes.node, nodes.kind, nodes.customers,
                        if(nodes.kind = 'feeder', nodes.node, tree.feeder) AS feeder,
                        arrayPushBack(tree.way, nodes.node) AS way
                    FROM nodes
                    INNER JOIN tree ON nodes.parent = tree.node AND nodes.substation = tree.substation
                ),"""
"""For WITH RECURSIVE: `tree` has each node, and the `way` down to it."""

CUSTOMERS_NOW = f"""
            WITH RECURSIVE {TREE}
                opened AS (SELECT groupUniqArrayArray({OPENED}) AS devices FROM flexmeter.outages WHERE {DARK})
            SELECT sumIf(customers_dark, NOT hasAny(arrayPopBack(way), (SELECT devices FROM opened))) AS customers
            FROM (SELECT substation, device, customers_dark FROM flexmeter.outages WHERE {DARK}) AS outages
            LEFT JOIN tree ON tree.node = outages.device AND tree.substation = outages.substation
            """

CUSTOMERS_OVER_TIME = f"""
            WITH RECURSIVE {TREE}
                spans AS
                (
                    SELECT
                        (id, number) AS span, substation, device, {OPENED} AS opened, customers_dark, at AS begins,
                        leadInFrame(at, 1, $__toTime_ms + toIntervalDay(1)) OVER (
                            PARTITION BY id ORDER BY number ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
                        ) AS ends
                    FROM flexmeter.outage_history
                    WHERE {HERE} AND at <= $__toTime_ms
                ),
                lower AS
                (
                    SELECT spans.*, above
                    FROM spans INNER JOIN tree ON tree.node = spans.device AND tree.substation = spans.substation
                    ARRAY JOIN arrayPopBack(way) AS above
                    WHERE customers_dark > 0
                ),
                upper AS
                (
                    SELECT substation, begins, ends, above FROM spans ARRAY JOIN opened AS above
                    WHERE customers_dark > 0
                ),
                covers AS
                (
                    SELECT
                        span, customers_dark, greatest(lower.begins, upper.begins) AS begins,
                        least(lower.ends, upper.ends) AS ends
                    FROM lower INNER JOIN upper ON upper.substation = lower.substation AND upper.above = lower.above
                    WHERE lower.begins < upper.ends AND upper.begins < lower.ends
                ),
                edges AS
                (
                    SELECT span, customers_dark, edge.1 AS moment, sum(edge.2) AS delta
                    FROM
                    (
                        SELECT span, customers_dark, [(begins, -1), (ends, 1)] AS edges
                        FROM spans
                        WHERE customers_dark > 0
                        UNION ALL
                        SELECT span, customers_dark, [(begins, 1), (ends, -1)] AS edges FROM covers
                    )
                    ARRAY JOIN edges AS edge
                    GROUP BY span, customers_dark, moment
                ),
                counted AS
                (
                    SELECT
                        span, moment,
                        if(1 + sum(delta) OVER (PARTITION BY span ORDER BY moment) = 0, customers_dark, 0) AS customers
                    FROM edges
                )
            SELECT time, sum(sum(change)) OVER (ORDER BY time) AS customers
            FROM
            (
                SELECT
                    greatest(moment, $__fromTime_ms) AS time,
                    customers - lagInFrame(customers, 1, 0) OVER (
                        PARTITION BY span ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    ) AS change
                FROM counted
                WHERE moment <= $__toTime_ms
                UNION ALL
                SELECT
                    arrayJoin([$__fromTime_ms, greatest($__fromTime_ms, least($__toTime_ms, now64(3)))]) AS time,
                    0 AS change
            )
            GROUP BY time
            ORDER BY time
            """
