-- == a list of 300 million
SELECT len(range(300000000))
-- == a gigabyte of x
SELECT repeat('x', 1000000000)
-- == many strings at once | ran
SELECT len(repeat('x', 100000000)) + len(repeat('y', 100000000)) + i FROM range(1000) t(i)
-- == levenshtein of long strings
SELECT levenshtein(repeat('a', 60000), repeat('b', 60000))
-- == jaccard, damerau and levenshtein again and again
SELECT max(damerau_levenshtein(repeat('a', 6000), repeat('b', 6000) || i)) FROM range(1000) t(i)
-- == a recursion without end
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r
-- == a recursion that doubles
WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r) SELECT count(*) FROM r
-- == a cross join of billions, sorted
SELECT a.i * b.i AS n FROM range(1000000) a(i), range(1000000) b(i) ORDER BY n DESC
-- == a sum over a billion billion
SELECT sum(a.i * b.i) FROM range(1000000000) a(i), range(1000000000) b(i)
-- == a list of lists
SELECT list_transform(range(100000), lambda x: range(100000))
-- == a string that is doubled forty times
SELECT len(list_reduce(list_transform(range(40), lambda x: 'x'), lambda a, b: a || a))
-- == a regular expression that would backtrack | ran
SELECT regexp_matches(repeat('a', 100000), '(a*)*(a*)*(a*)*b')
-- == distinct values of everything
SELECT count(DISTINCT uuid()) FROM range(1000000000)
-- == a permutation in JSON
SELECT to_json(list(i)) FROM range(100000000) t(i)
-- == a long printf
SELECT len(printf('%2000000000d', 1))
-- == a long pad
SELECT len(lpad('x', 2000000000, 'y'))
-- == an approximate quantile of lists
SELECT string_agg(repeat('z', 100000), ',') FROM range(100000)
