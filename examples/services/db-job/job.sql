-- Every five seconds.
select count(*) as connections from pg_stat_activity \watch 5
