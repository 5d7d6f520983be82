\set key random(0, 999999)
\set n random(1000000000000000, 9999999999999999)
\set m random(1000000000000000, 9999999999999999)
INSERT INTO bench (key, value) VALUES (:key, ('{"n":' || :n || ',"pupil":"Fatima Zahra Idrissi","school":"Lycee Ibn Rochd","commune":"04.421.01.07","level":"2BAC-PC","guardian":"0612345678","year":2026,"m":' || :m || '}')::json) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;
