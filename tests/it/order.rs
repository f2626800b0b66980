//! Programs that depend on each other, limits of restarts, and a daemon that ends by itself.

mod rolling;

use serde_json::{Value, json};

use crate::bench::{Bench, Wire, signal};

/// Needs nothing, and is up at once.
const DB: &str = "db: {cmd: sleep 1000, starttime: 0}\n";

/// Runs for as long as there is a file called `ok`, and is up at once.
fn shaky(name: &str, keys: &str) -> String {
    format!("{name}: {{cmd: sh -c 'test -e ok && exec sleep 1000', starttime: 0.3, {keys}}}\n")
}

/// What is told of processes, as `db running`, up to this.
fn told_until(events: &mut Wire, last: &str) -> Vec<String> {
    let mut told = Vec::new();
    while told.last().is_none_or(|line| line != last) {
        let reply = events.line().expect("the connection ended while following");
        let event = &reply["event"];
        if let (Some(name), Some(what)) = (event["name"].as_str(), event["event"].as_str()) {
            told.push(format!("{name} {what}"));
        }
    }
    told
}

fn place(told: &[String], line: &str) -> usize {
    told.iter().position(|other| other == line).unwrap_or_else(|| panic!("{line}: {told:?}"))
}

/// Each of these is told, and before the next.
fn in_order(told: &[String], lines: &[&str]) {
    let places: Vec<usize> = lines.iter().map(|line| place(told, line)).collect();
    assert!(places.is_sorted(), "{lines:?} in {told:?}");
}

fn description(bench: &Bench, name: &str) -> String {
    bench.row(name)["description"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn they_start_in_the_order_in_which_they_need_each_other() {
    let bench = Bench::new(
        "db: {cmd: sleep 1000, starttime: 0.1}\n\
         migrate: {cmd: sh -c 'test -e go', starttime: 0, startretries: unlimited, \
         autorestart: unexpected, backoff: 0.05, depends_on: db}\n\
         web: {cmd: sleep 1000, numprocs: 2, starttime: 0, depends_on: {migrate: completed}}\n\
         front: {cmd: sleep 1000, starttime: 0, depends_on: [web, db]}",
    );
    let mut bench = bench;
    bench.start();
    bench.until("it is known for what it waits", |bench| {
        description(bench, "front") == "for web:0 to be ready (WAITING)"
    });
    let row = bench.row("web:0");
    assert_eq!((&row["state"], &row["pid"]), (&json!("WAITING"), &json!(null)));
    let mut events = bench.follower();
    bench.write("go", "");
    let told = told_until(&mut events, "front running");
    in_order(&told, &["migrate exited", "web:0 starting", "web:0 running", "front starting"]);
    in_order(&told, &["web:1 running", "front starting"]);
    assert_eq!(bench.state("migrate"), "EXITED");
}

#[test]
fn one_that_needs_what_is_given_up_waits_says_so_and_goes_on() {
    let programs = shaky("db", "startretries: 0")
        + "app: {cmd: sleep 1000, starttime: 0, depends_on: db}\n\
           web: {cmd: sleep 1000, starttime: 0, depends_on: app}\n";
    let bench = Bench::up(&programs);
    bench.until("it is given up", |bench| {
        description(bench, "app") == "for db, which is FATAL: exit 1"
    });
    assert_eq!(description(&bench, "web"), "for app to be ready (WAITING)");
    // Whoever asks for it asks for what it needs; that fails again.
    let said = bench.ctl("start web");
    assert_eq!(said.status, 1, "{said:?}");
    assert_eq!(
        said.out,
        "web needs db, which is started too\n\
         web: WAITING for app to be ready (WAITING); it goes on waiting\n"
    );
    assert_eq!(bench.ctl("status").status, 3);
    bench.write("ok", "");
    let said = bench.ctl("start db");
    assert_eq!((said.status, said.out.as_str()), (0, "db: started\n"));
    bench.until_state("web", "RUNNING");
}

#[test]
fn a_start_starts_what_it_needs_and_the_daemon_does_not() {
    let bench = Bench::up(&format!(
        "{}web: {{cmd: sleep 1000, starttime: 0, depends_on: db}}",
        DB.replace("starttime", "autostart: no, starttime")
    ));
    bench.until_state("web", "WAITING");
    assert_eq!(description(&bench, "web"), "for db, which is STOPPED");
    let said = bench.ctl("start web");
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "web needs db, which is started too\nweb: started\n")
    );
    assert_eq!(bench.state("db"), "RUNNING");
}

#[test]
fn a_stop_stops_first_what_depends_on_it() {
    let slow = "sh -c 'trap \"sleep 0.2; exit\" TERM; touch $TASKMASTER_PROCESS; \
                while :; do sleep 0.02; done'";
    let bench = Bench::up(&format!(
        "{DB}app: {{cmd: {slow}, starttime: 0, depends_on: db}}\n\
         web: {{cmd: {slow}, numprocs: 2, starttime: 0, depends_on: app}}"
    ));
    for name in ["app", "web:0", "web:1"] {
        bench.until("it listens", |bench| bench.path(name).exists());
    }
    let mut events = bench.follower();
    let said = bench.ctl("stop db");
    assert_eq!(said.status, 0, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "web:0, web:1, app depend on db and are stopped first");
    assert_eq!(&lines[3..], ["app: stopped", "db: stopped"], "{said:?}");
    let told = told_until(&mut events, "db stopped");
    for web in ["web:0 stopped", "web:1 stopped"] {
        in_order(&told, &[web, "app stopped", "db stopped"]);
    }
    // STOPPED is what was asked for: nothing of it comes back by itself.
    assert!(bench.rows().iter().all(|row| row["state"] == "STOPPED"));
}

#[test]
fn a_stop_of_one_that_waits_stops_it_at_once() {
    let bench = Bench::up(
        "db: {cmd: sleep 1000, starttime: 1000}\n\
         web: {cmd: sleep 1000, starttime: 0, depends_on: db}",
    );
    bench.until_state("web", "WAITING");
    let said = bench.ctl("stop web");
    assert_eq!((said.status, said.out.as_str()), (0, "web: stopped\n"));
    assert_eq!((bench.state("web"), bench.state("db")), ("STOPPED".into(), "STARTING".into()));
}

#[test]
fn a_restart_leaves_dependents_alone_but_for_those_that_ask_for_it() {
    let bench = Bench::up(&format!(
        "{DB}alone: {{cmd: sleep 1000, starttime: 0, depends_on: db}}\n\
         along: {{cmd: sleep 1000, starttime: 0, depends_on: {{db: {{restart: with}}}}}}"
    ));
    for name in ["alone", "along"] {
        bench.until_state(name, "RUNNING");
    }
    let (alone, along) = (bench.pid_of("alone"), bench.pid_of("along"));
    assert_eq!(bench.ctl("restart db").status, 0);
    bench.until("it is another", |bench| bench.has_new_pid("along", along));
    assert_eq!(bench.pid_of("alone"), alone);
}

#[test]
fn a_reload_lets_go_what_waits_for_nothing_any_more() {
    let bench = Bench::up(
        "db: {cmd: sleep 1000, starttime: 1000}\n\
         web: {cmd: sleep 1000, starttime: 0, depends_on: db}",
    );
    bench.until_state("web", "WAITING");
    bench.configure(
        "db: {cmd: sleep 1000, starttime: 1000}\n\
         web: {cmd: sleep 1000, starttime: 0}",
    );
    let said = bench.ctl("reload");
    assert_eq!(said.out, "web: change in place (depends_on)\n");
    bench.until_state("web", "RUNNING");
}

#[test]
fn what_is_disabled_is_neither_started_with_another_nor_starts_one() {
    let bench = Bench::up(
        "db: {cmd: sleep 1000, starttime: 0, autostart: no}\n\
         web: {cmd: sleep 1000, starttime: 0, autostart: no, depends_on: db}",
    );
    assert_eq!(bench.ctl("disable web").status, 0);
    let said = bench.ctl("start web");
    assert_eq!((said.status, said.out.as_str()), (1, "web: disabled; enable starts it\n"));
    assert_eq!(bench.state("db"), "STOPPED");
    assert_eq!(bench.ctl("disable db").status, 0);
    let said = bench.ctl("enable web");
    let waits = "web: WAITING for db, which is disabled; it goes on waiting\n";
    assert_eq!((said.status, said.out.as_str()), (1, waits));
    // What lets it start again starts it, and with it who waits.
    assert_eq!(bench.ctl("enable db").status, 0);
    bench.until_state("web", "RUNNING");
}

#[test]
fn one_that_waits_already_is_answered_when_it_is_asked_for_again() {
    let bench = Bench::up(&format!(
        "{DB}web: {{cmd: sleep 1000, starttime: 0, autostart: no, depends_on: db}}"
    ));
    let waits = "web: WAITING for db, which is disabled; it goes on waiting\n";
    assert_eq!(bench.ctl("disable db").status, 0);
    for command in ["start web", "start web", "restart web"] {
        let said = bench.ctl(command);
        assert_eq!((said.status, said.out.as_str()), (1, waits), "{command}");
    }
    assert_eq!(bench.state("web"), "WAITING");
}

#[test]
fn who_waits_is_answered_when_a_reload_leaves_it_waiting_in_vain() {
    let programs = |needs: &str| {
        format!(
            "{}slow: {{cmd: sleep 1000, starttime: 1000}}\n\
             web: {{cmd: sleep 1000, starttime: 0, autostart: no, depends_on: [{needs}]}}",
            DB.replace("starttime", "autostart: no, starttime")
        )
    };
    let bench = Bench::up(&programs("slow"));
    let mut client = bench.client();
    client.send("start web");
    bench.until_state("web", "WAITING");
    bench.configure(&programs("slow, db"));
    assert_eq!(bench.ctl("reload").status, 0);
    let why = "for db, which is STOPPED; for slow to be ready (STARTING)";
    let said = format!("web WAITING {why}; it goes on waiting");
    assert_eq!(results(&client.answer()), [said]);
}

#[test]
fn a_circle_is_a_problem_of_the_file() {
    let bench = Bench::new(
        "a: {cmd: sleep 1, depends_on: b}\n\
         b: {cmd: sleep 1, depends_on: a}",
    );
    let said = bench.check();
    assert_eq!(said.status, 2);
    assert!(
        said.err.contains(":3:33: programs.a.depends_on: goes in a circle: a needs b, b needs a"),
        "{said:?}"
    );
}

/// Programs that write their name to a file when they have been told to stop.
fn last_words(name: &str, keys: &str) -> String {
    format!(
        "{name}: {{cmd: sh -c 'trap \"echo {name} >>said; exit\" TERM; touch {name}; \
         while :; do sleep 0.02; done', starttime: 0, {keys}}}\n"
    )
}

#[test]
fn a_shutdown_goes_in_order_too() {
    let mut bench = Bench::up(
        &(last_words("db", "")
            + &last_words("app", "depends_on: db")
            + &last_words("web", "depends_on: app")),
    );
    for name in ["db", "app", "web"] {
        bench.until("it listens", |bench| bench.path(name).exists());
    }
    bench.stop();
    assert_eq!(bench.read("said"), "web\napp\ndb\n");
}

#[test]
fn one_that_is_not_ready_in_time_has_failed_to_start() {
    let bench = Bench::up(
        "a: {cmd: sleep 1000, startretries: 0, ready: {fd: 3, timeout: 0.3}}\n\
         b: {cmd: sleep 1000, starttime: 0, depends_on: {a: started}}",
    );
    bench.until_state("a", "FATAL");
    let said = description(&bench, "a");
    assert!(said.starts_with("not ready within 0.3s, "), "{said}");
    let row = bench.row("a");
    assert_eq!((&row["exit"], &row["expected"]), (&json!({"signal": "TERM"}), &json!(false)));
    assert!(bench.log().contains("reason=\"not ready within 0.3s; TERM sent\""), "{}", bench.log());
}

#[test]
fn too_many_restarts_are_given_up_and_the_reason_is_told() {
    let bench = Bench::up(
        "a: {cmd: 'false', starttime: 0, backoff: 0.01, max_restarts: {count: 2, within: 10m}}",
    );
    bench.until_state("a", "FATAL");
    let row = bench.row("a");
    assert_eq!(row["restarts"], 2);
    let said = description(&bench, "a");
    assert!(said.ends_with("; gave up after 2 restarts within 10m00s"), "{said}");
}

/// The results of an answer, as `web:0 restarted`.
fn results(answer: &[Value]) -> Vec<String> {
    let results = answer.iter().filter_map(|reply| reply.get("result"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    results.map(|row| format!("{} {}", text(&row["name"]), text(&row["message"]))).collect()
}

/// The exit status of a daemon that ends by itself.
fn ends_by_itself(keys: &str, programs: &str) -> (i32, Bench) {
    let mut bench = Bench::new("{}");
    bench.configure_daemon(keys, programs);
    bench.launch(bench.daemon_command());
    (bench.ended(), bench)
}

#[test]
fn a_daemon_whose_work_is_done_ends_as_its_work_did() {
    let all = "exit_when: all_exited,";
    let once = "starttime: 0, autorestart: never";
    let ok = format!("ok: {{cmd: 'true', {once}}}\n");
    let later = "later: {cmd: sleep 1000, autostart: no}\n";
    assert_eq!(ends_by_itself(all, &format!("{ok}{later}")).0, 0);
    let bad = |how: &str| format!("{ok}bad: {{cmd: sh -c '{how}', {once}}}\n");
    assert_eq!(ends_by_itself(all, &bad("exit 3")).0, 3);
    assert_eq!(ends_by_itself(all, &bad("kill -9 $$")).0, 137);
    let after = "after: {cmd: sleep 1000, depends_on: {bad: completed}}\n";
    assert_eq!(ends_by_itself(all, &(bad("exit 4") + after)).0, 4, "what waits never started");
    let gone = format!("{ok}gone: {{cmd: /nowhere/to/be/found, startretries: 0}}\n");
    assert_eq!(ends_by_itself(all, &gone).0, 127);
}

#[test]
fn a_daemon_whose_work_is_over_before_it_has_begun_ends_too() {
    // Nothing lives that could wake it.
    let job =
        |keys: &str| format!("job: {{cmd: ./job, env_file: gone.env, startretries: 0{keys}}}\n");
    assert_eq!(ends_by_itself("exit_when: all_exited,", &job("")).0, 127);
    let (status, bench) =
        ends_by_itself("", &(job(", critical: yes") + "web: {cmd: sleep 1000, starttime: 0}\n"));
    assert_eq!(status, 127);
    assert!(bench.log().contains("job is critical, and FATAL"), "{}", bench.log());
}

#[test]
fn something_critical_takes_the_daemon_with_it() {
    let (status, bench) = ends_by_itself(
        "",
        "db: {cmd: sh -c 'exit 5', starttime: 0, autorestart: never, critical: yes}\n\
         web: {cmd: sleep 1000, starttime: 0}\n",
    );
    assert_eq!(status, 5);
    let log = bench.log();
    assert!(log.contains("db is critical, and EXITED: exit 5: stopping everything"), "{log}");
    assert!(log.contains("stopped name=web"), "{log}");
}

#[test]
fn one_that_is_critical_may_be_stopped_and_started_again() {
    let mut bench =
        Bench::up("db: {cmd: sleep 1000, starttime: 0, autorestart: always, critical: yes}\n");
    bench.until_state("db", "RUNNING");
    let old = bench.pid_of("db");
    signal(old, libc::SIGKILL);
    bench.until("it is started again", |bench| bench.has_new_pid("db", old));
    assert_eq!(bench.ctl("stop db").status, 0);
    assert_eq!(bench.state("db"), "STOPPED");
    bench.stop();
}
