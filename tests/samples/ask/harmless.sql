-- == words that are statements, in a string | [["update; drop table x"]]
SELECT 'update; drop table x' AS said
-- == a semicolon in a string and one behind | [[";"]]
SELECT ';' AS s;
-- == a comment before | [[1]]
-- how many
/* really; DELETE */ SELECT 1 AS one
-- == a parenthesis before | [[1]]
(SELECT 1 AS one)
-- == FROM first | [["ada@example.com"]]
FROM usage_users SELECT email WHERE email = 'ada@example.com'
-- == FROM alone | [["a"]]
FROM (SELECT 'a' AS a)
-- == VALUES | [[1, "x"], [2, "y"]]
VALUES (1, 'x'), (2, 'y')
-- == a table's name with its schema | [[1]]
SELECT count(*) FROM main.usage_users WHERE email = 'ada@example.com'
-- == a table's name with its database | [[1]]
SELECT count(*) FROM usage.main.usage_users WHERE email = 'ada@example.com'
-- == upper case and quotes | [[1]]
SELECT COUNT(*) FROM "USAGE_USERS" WHERE "EMAIL" = 'ada@example.com'
-- == a column named like a statement | [[1, 2]]
SELECT 1 AS "update", 2 AS "drop"
-- == a CTE with a table's name of its own | [[3]]
WITH counted AS (SELECT 3 AS n), again AS MATERIALIZED (FROM counted) SELECT n FROM again
-- == a CTE in upper case | [[3]]
WITH Counted AS (SELECT 3 AS n) SELECT n FROM counted
-- == a recursive CTE that ends | [[10]]
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 10) SELECT max(i) FROM r
-- == a window function | [[1, 1], [2, 3]]
SELECT i, sum(i) OVER (ORDER BY i) FROM (VALUES (1), (2)) t(i) QUALIFY row_number() OVER (ORDER BY i) <= 2 ORDER BY i
-- == a series of days | [["2026-11-01T00:00:00"], ["2026-11-02T00:00:00"]]
SELECT unnest(generate_series(DATE '2026-11-01', DATE '2026-11-02', INTERVAL 1 DAY)) AS day
-- == range as a table | [[0], [1]]
SELECT i FROM range(2) t(i)
-- == numbers that JSON has not | [["NaN", "Infinity", "-Infinity"]]
SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, '-inf'::DOUBLE AS c
-- == decimals | [[1.5, 3, "0.123456789012345678901"]]
SELECT 1.50::DECIMAL(5, 2) AS a, 3.00::DECIMAL(5, 2) AS b, 0.123456789012345678901::DECIMAL(25, 21) AS c
-- == large integers | [[9007199254740992, "9007199254740993", "170141183460469231731687303715884105727"]]
SELECT 9007199254740992 AS a, 9007199254740993 AS b, 170141183460469231731687303715884105727::HUGEINT AS c
-- == dates and times | [["2026-11-23", "09:00:00", "2026-11-23T09:00:00", "2026-11-23T09:00:00Z"]]
SELECT DATE '2026-11-23' AS a, TIME '09:00' AS b, TIMESTAMP '2026-11-23 09:00' AS c, TIMESTAMPTZ '2026-11-23 09:00+00' AS d
-- == an interval, a blob, a truth, nothing | [["3 days, 0:00:00", "6162", true, null]]
SELECT INTERVAL 3 DAY AS a, 'ab'::BLOB AS b, true AS c, NULL AS d
-- == lists, structs and maps | [[[1, 2], {"x": "2026-11-23"}, {"k": 1}]]
SELECT [1, 2] AS a, {'x': DATE '2026-11-23'} AS b, MAP {'k': 1} AS c
-- == a list comprehension | [[[2, 4]]]
SELECT [x * 2 FOR x IN [1, 2, 3] IF x < 3] AS doubled
-- == two columns of one name | [[1, 2]]
SELECT 1 AS n, 2 AS n
-- == a pivot with its values | [[1, null]]
SELECT * EXCLUDE (u) FROM (PIVOT (SELECT 'x' AS u, 'a' AS k, 1 AS v) ON k IN ('a', 'b') USING sum(v))
-- == grouping sets | [["a", 1], [null, 1]]
SELECT k, count(*) AS n FROM (VALUES ('a')) t(k) GROUP BY ROLLUP (k) ORDER BY k NULLS LAST
-- == no rows | []
SELECT * FROM usage_users WHERE false
-- == DESCRIBE | [["user_id"], ["email"], ["name"], ["active"]]
SELECT column_name FROM (DESCRIBE usage_users)
-- == what tables there are | [[6]]
SELECT count(*) FROM information_schema.tables WHERE table_catalog = 'usage'
-- == regular expressions and text | [["finops", "Forecast", true]]
SELECT split_part('finops:forecast', ':', 1) AS a, upper('f') || substr('forecast', 2) AS b, regexp_matches('abc', 'b') AS c
-- == date arithmetic | [["2026-11-16", "2026-11-01T00:00:00", 23, "Monday"]]
SELECT DATE '2026-11-23' - 7 AS a, date_trunc('month', DATE '2026-11-23') AS b, day(DATE '2026-11-23') AS c, dayname(DATE '2026-11-23') AS d
-- == EXTRACT, CASE, COALESCE, BETWEEN, IN, LIKE | [[2026, "y", 1, true, true, true]]
SELECT extract(year FROM DATE '2026-11-23'), CASE WHEN 1 > 0 THEN 'y' END, coalesce(NULL, 1), 2 BETWEEN 1 AND 3, 1 IN (1, 2), 'abc' ILIKE 'A%'
-- == statistics | [[2, 2, 1, 3]]
SELECT median(i), quantile_cont(i, 0.5), min(i), max(i) FROM (VALUES (1), (2), (3)) t(i)
-- == filters, lists and strings of groups | [[1, [1, 2], "1,2"]]
SELECT count(*) FILTER (WHERE i = 1), list(i ORDER BY i), string_agg(i::VARCHAR, ',' ORDER BY i) FROM (VALUES (1), (2)) t(i)
-- == a set operation | [[1], [2]]
SELECT 1 AS n UNION ALL SELECT 2 ORDER BY n
-- == a correlated subquery and an anti join | [[0]]
SELECT count(*) FROM usage_users u WHERE NOT EXISTS (SELECT 1 FROM usage_users v WHERE v.user_id = u.user_id)
-- == an as-of join | [[1]]
SELECT count(*) FROM (VALUES (2)) a(t) ASOF JOIN (VALUES (1)) b(t) ON a.t >= b.t
-- == a sample | [[1]]
SELECT count(*) FROM (SELECT * FROM (VALUES (1)) t(i) USING SAMPLE 100%)
-- == SUMMARIZE | [["n"]]
SELECT column_name FROM (SUMMARIZE SELECT 1 AS n)
-- == odd letters | [["žluťoučký 🐎"]]
SELECT 'žluťoučký 🐎' AS said
-- == a null character in text | [["a\u0000b"]]
SELECT 'a' || chr(0) || 'b' AS said
-- == a CTE that names the table that it narrows | [[1]]
WITH usage_users AS (SELECT * FROM usage_users WHERE email = 'ada@example.com') SELECT count(*) AS n FROM usage_users
-- == a CTE seen from a subquery and from the next one | [[1, 2]]
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT (SELECT x FROM a) AS x, y FROM b WHERE EXISTS (FROM a)
-- == a CTE under a union | [[1], [1]]
WITH a AS (SELECT 1 AS x) SELECT x FROM a UNION ALL SELECT x FROM a
-- == a CTE inside of a CTE | [[2]]
WITH a AS (WITH b AS (SELECT 2 AS x) SELECT x FROM b) SELECT x FROM a
