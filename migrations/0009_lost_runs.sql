-- Every host asks every minute for runs that are still running and should not be: docmill.mark_lost_runs. Those that run are few
-- at any time, and this holds nothing else.
create index run_running on docmill.run (created_at) where status = 'running';
