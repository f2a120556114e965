-- == How many sessions are there? | [[5]]
SELECT count(*) AS sessions FROM usage_session_summary
-- == How many sessions does each person have? | [["ben@example.com", 2], ["mira@example.com", 2], ["ada@example.com", 1]]
SELECT u.email, count(*) AS sessions FROM usage_session_summary s JOIN usage_users u USING (user_id) GROUP BY u.email ORDER BY sessions DESC, u.email
-- == Who used Claude Code on November 21? | [["ben@example.com"], ["mira@example.com"]]
SELECT DISTINCT u.email FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.day = DATE '2026-11-21' ORDER BY u.email
-- == How many people were active each day? | [["2026-11-10", 1], ["2026-11-20", 1], ["2026-11-21", 2], ["2026-11-22", 1]]
SELECT day, count(DISTINCT user_id) AS people FROM usage_events GROUP BY day ORDER BY day
-- == How many people were active each day of the last week, days without anybody included? | [["2026-11-17", 0], ["2026-11-18", 0], ["2026-11-19", 0], ["2026-11-20", 1], ["2026-11-21", 2], ["2026-11-22", 1], ["2026-11-23", 0]]
SELECT d.day, count(DISTINCT e.user_id) AS people FROM (SELECT unnest(generate_series(DATE '2026-11-23' - 6, DATE '2026-11-23', INTERVAL 1 DAY))::DATE AS day) d LEFT JOIN usage_events e ON e.day = d.day GROUP BY d.day ORDER BY d.day
-- == Which plugins were used most in the last 30 days? | [["finops", 6, 3], ["chartkit", 1, 1], ["sql-style", 1, 1]]
SELECT plugin, invocations_30d, distinct_users_30d FROM usage_marketplace_item_window WHERE kind = 'plugin' ORDER BY invocations_30d DESC, plugin
-- == And in the last 7 days? | [["finops", 5, 2], ["sql-style", 1, 1]]
SELECT plugin, invocations_7d, distinct_users_7d FROM usage_marketplace_item_window WHERE kind = 'plugin' AND invocations_7d > 0 ORDER BY invocations_7d DESC, plugin
-- == Which skills fail most? | [["chartkit:bar-chart", 1, 1, 100], ["finops:forecast", 3, 1, 33.3], ["sql-style:review-sql", 1, 0, 0]]
SELECT plugin || ':' || name AS skill, invocations_30d AS calls, errors_30d AS failed, round(100.0 * errors_30d / invocations_30d, 1) AS failed_pct FROM usage_marketplace_item_window WHERE kind = 'skill' ORDER BY failed_pct DESC, skill
-- == Which plugins were not used this week but were before? | [["chartkit", "2026-11-10"]]
SELECT plugin, last_used_day FROM usage_marketplace_item_window WHERE kind = 'plugin' AND invocations_7d = 0 ORDER BY plugin
-- == Who called finops:forecast, and how often? | [["mira@example.com", 2], ["ada@example.com", 1]]
SELECT u.email, count(*) AS calls FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.skill_name = 'finops:forecast' GROUP BY u.email ORDER BY calls DESC
-- == Whose calls of skills failed? | [["ada@example.com", "chartkit:bar-chart"], ["mira@example.com", "finops:forecast"]]
SELECT u.email, e.skill_name FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.skill_name IS NOT NULL AND e.is_error ORDER BY ALL
-- == Which tools fail most? | [["Skill", 5, 2, 40], ["Bash", 4, 1, 25], ["Agent", 1, 0, 0], ["mcp__plugin_finops_ledger__query", 1, 0, 0]]
SELECT tool_name, sum(invocations) AS calls, sum(errors) AS failed, round(100.0 * sum(errors) / sum(invocations), 1) AS failed_pct FROM usage_tool_daily GROUP BY tool_name ORDER BY failed_pct DESC, tool_name
-- == How often was Bash called each day? | [["2026-11-20", 1], ["2026-11-21", 2], ["2026-11-22", 1]]
SELECT day, invocations FROM usage_tool_daily WHERE tool_name = 'Bash' ORDER BY day
-- == How many sessions used Bash? | [[3]]
SELECT count(DISTINCT session_id) AS sessions FROM usage_events WHERE tool_name = 'Bash'
-- == What share of all invocations failed? | [[12, 3, 25]]
SELECT count(*) AS invocations, count_if(is_error) AS failed, round(100.0 * count_if(is_error) / count(*), 1) AS failed_pct FROM usage_events WHERE event_type NOT IN ('prompt', 'message')
-- == How many prompts did each person type? | [["mira@example.com", 3], ["ben@example.com", 2], ["ada@example.com", 1]]
SELECT u.email, sum(s.user_messages) AS prompts FROM usage_session_summary s JOIN usage_users u USING (user_id) GROUP BY u.email ORDER BY prompts DESC
-- == Who spent most tokens? | [["ben@example.com", 1620], ["mira@example.com", 120], ["ada@example.com", 60]]
SELECT u.email, sum(s.input_tokens + s.output_tokens) AS tokens FROM usage_session_summary s JOIN usage_users u USING (user_id) GROUP BY u.email ORDER BY tokens DESC
-- == How many tokens did each model take? | [["claude-opus-4-1", 1000, 500], ["claude-sonnet-4-6", 100, 200]]
SELECT model, sum(input_tokens) AS input, sum(output_tokens) AS output FROM usage_events WHERE event_type = 'message' GROUP BY model ORDER BY model
-- == What share of prompt tokens came from caches? | [[3000, 1100, 400, 66.7]]
SELECT sum(cache_read_tokens) AS from_cache, sum(input_tokens) AS fresh, sum(cache_creation_tokens) AS written, round(100.0 * sum(cache_read_tokens) / (sum(cache_read_tokens) + sum(input_tokens) + sum(cache_creation_tokens)), 1) AS from_cache_pct FROM usage_session_summary
-- == How many responses did the models give, by person? | [["ben@example.com", 5], ["mira@example.com", 4], ["ada@example.com", 2]]
SELECT u.email, count(*) AS responses FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.event_type = 'message' GROUP BY u.email ORDER BY responses DESC
-- == Which session was the longest? | [["ben@example.com", "2026-11-21T14:00:00", 6]]
SELECT u.email, s.started_at, s.wall_seconds FROM usage_session_summary s JOIN usage_users u USING (user_id) ORDER BY s.wall_seconds DESC LIMIT 1
-- == What is the median length of a session, and the longest? | [[4, 6]]
SELECT median(wall_seconds) AS median_seconds, max(wall_seconds) AS longest_seconds FROM usage_session_summary
-- == Which subagents were started, by whom? | [["ben@example.com", "finops:auditor", 1]]
SELECT u.email, e.subagent_type, count(*) AS starts FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.event_type = 'subagent' GROUP BY ALL ORDER BY ALL
-- == Which slash commands were typed? | [["finops:close-month", 1]]
SELECT command_name, count(*) AS times FROM usage_events WHERE event_type = 'slash_command' GROUP BY command_name
-- == Which MCP tools are used? | [["mcp__plugin_finops_ledger__query", "finops", 1]]
SELECT tool_name, plugin, count(*) AS calls FROM usage_events WHERE event_type = 'mcp_call' GROUP BY ALL
-- == Which kinds of items does finops offer that people use? | [["agent", 1], ["command", 1], ["mcp", 1], ["skill", 3]]
SELECT kind, sum(invocations_30d) AS uses FROM usage_marketplace_item_window WHERE plugin = 'finops' AND kind <> 'plugin' GROUP BY kind ORDER BY kind
-- == How did the use of finops go, day by day? | [["2026-11-10", 1, 0], ["2026-11-20", 1, 0], ["2026-11-21", 2, 1], ["2026-11-22", 2, 0]]
SELECT day, invocations, errors FROM usage_marketplace_item_daily WHERE plugin = 'finops' AND kind = 'plugin' ORDER BY day
-- == How many uses did marketplace plugins have in all, running, by day? | [["2026-11-10", 2], ["2026-11-20", 3], ["2026-11-21", 6], ["2026-11-22", 8]]
SELECT day, sum(sum(invocations)) OVER (ORDER BY day) AS so_far FROM usage_marketplace_item_daily WHERE kind = 'plugin' GROUP BY day ORDER BY day
-- == Who has never used a plugin of the marketplace? | []
SELECT u.email FROM usage_users u WHERE NOT EXISTS (SELECT 1 FROM usage_events e WHERE e.user_id = u.user_id AND e.plugin IS NOT NULL)
-- == Who uses only finops? | [["ben@example.com"]]
SELECT u.email FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.plugin IS NOT NULL GROUP BY u.email HAVING list(DISTINCT e.plugin) = ['finops']
-- == Which plugins are used together in a session? | [["chartkit", "finops", 1], ["finops", "sql-style", 1]]
WITH used AS (SELECT DISTINCT session_id, plugin FROM usage_events WHERE plugin IS NOT NULL) SELECT a.plugin AS one, b.plugin AS other, count(*) AS sessions FROM used a JOIN used b ON a.session_id = b.session_id AND a.plugin < b.plugin GROUP BY ALL ORDER BY ALL
-- == What was each person's most used tool? | [["ada@example.com", "Skill", 2], ["ben@example.com", "Bash", 3], ["mira@example.com", "Skill", 3]]
SELECT u.email, e.tool_name, count(*) AS calls FROM usage_events e JOIN usage_users u USING (user_id) WHERE e.tool_name IS NOT NULL GROUP BY u.email, e.tool_name QUALIFY row_number() OVER (PARTITION BY u.email ORDER BY count(*) DESC, e.tool_name) = 1 ORDER BY u.email
-- == At which hours do people work? | [[8, 1], [9, 2], [10, 1], [14, 1]]
SELECT hour(started_at) AS hour_utc, count(*) AS sessions FROM usage_session_summary GROUP BY hour_utc ORDER BY hour_utc
-- == How many sessions were there each week? | [["2026-11-09T00:00:00", 1], ["2026-11-16T00:00:00", 4]]
SELECT date_trunc('week', started_at) AS week, count(*) AS sessions FROM usage_session_summary GROUP BY week ORDER BY week
-- == On which weekday is most going on? | [["Saturday", 13], ["Sunday", 6], ["Friday", 5], ["Tuesday", 5]]
SELECT dayname(day) AS weekday, count(*) AS events FROM usage_events GROUP BY weekday ORDER BY events DESC, weekday
-- == Who joined with no session at all in the last week? | [["ada@example.com"]]
SELECT email FROM usage_users ANTI JOIN (SELECT user_id FROM usage_session_summary WHERE started_at >= DATE '2026-11-23' - 6) USING (user_id) ORDER BY email
-- == How many tools does a session use on average? | [[1.6]]
SELECT round(avg(distinct_tools), 2) AS tools FROM usage_session_summary
-- == What happened in Ben's session of November 22, in order? | [["prompt", null], ["slash_command", "finops:close-month"], ["tool_use", "Bash"], ["mcp_call", "mcp__plugin_finops_ledger__query"]]
SELECT event_type, coalesce(tool_name, command_name) AS what FROM usage_events WHERE day = DATE '2026-11-22' AND event_type <> 'message' ORDER BY occurred_at, event_type
-- == Which accounts are active? | [["ada@example.com"], ["ben@example.com"], ["mira@example.com"]]
SELECT email FROM usage_users WHERE active ORDER BY email
-- == Compare this week with the one before, by plugin | [["finops", 5, 1], ["sql-style", 1, 0], ["chartkit", 0, 1]]
SELECT plugin, sum(invocations) FILTER (WHERE day > DATE '2026-11-23' - 7)::INT AS this_week, sum(invocations) FILTER (WHERE day <= DATE '2026-11-23' - 7)::INT AS before FROM (SELECT plugin, day, invocations FROM usage_marketplace_item_daily WHERE kind = 'plugin' UNION ALL SELECT DISTINCT plugin, DATE '2026-11-23', 0 FROM usage_marketplace_item_daily UNION ALL SELECT DISTINCT plugin, DATE '2026-11-10', 0 FROM usage_marketplace_item_daily) GROUP BY plugin ORDER BY this_week DESC, plugin
-- == Show the trend of each plugin | [["chartkit", null], ["finops", null], ["sql-style", null]]
SELECT plugin, trend_pct FROM usage_marketplace_item_window WHERE kind = 'plugin' ORDER BY plugin
