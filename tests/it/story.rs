//! A day in the life: a database, a migration, two web servers, and nginx in front of them.
//!
//! All of them are killed, each at every stage of the start of everything, and replaced under
//! load. Left out where one of the programs is not installed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::Value;

use crate::bench::{Bench, PATIENCE, is_root, lives, proc, programs_of, signal};
use crate::probes::free_port;
use crate::real::{installed, user_exists};

/// Python's web server, which lets those requests finish that it has begun to answer.
const WEB: &str = r#"
import http.server, os, signal, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (os.environ['TASKMASTER_PROGRAM'] + '\n').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128
server = Server(('127.0.0.1', int(sys.argv[1])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"#;

/// A web server on this port, ready when it accepts connections.
fn web(name: &str, port: u16, bench: &Bench) -> String {
    let script = bench.path("web.py").display().to_string();
    format!(
        "{name}: {{cmd: python3 {script} {port}, ready: {{tcp: '127.0.0.1:{port}'}}, \
         autorestart: always, backoff: 0.1, depends_on: {{migrate: completed}}}}\n"
    )
}

/// nginx in front of both: what one does not answer, the other is asked.
fn front(bench: &Bench, port: u16, behind: [u16; 2]) -> String {
    let here = bench.path("").display().to_string();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/nginx-{kind};"))
        .concat();
    let [one, other] = behind;
    let conf = format!(
        "worker_processes 1; pid {here}/nginx.pid; error_log {here}/nginx.err;\n\
         events {{ worker_connections 256; }}\n\
         http {{ access_log off; {temp}\n\
         upstream web {{ server 127.0.0.1:{one} max_fails=0; server 127.0.0.1:{other} max_fails=0; }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://web; \
         proxy_next_upstream error timeout; }} }} }}\n"
    );
    let conf = bench.write("nginx.conf", &conf).display().to_string();
    let nginx = installed("nginx").unwrap().display().to_string();
    format!(
        "nginx: {{cmd: \"{nginx} -c {conf} -g 'daemon off;'\", stopsignal: QUIT, \
         autorestart: always, starttime: 0.2, backoff: 0.1, \
         health: {{http: 'http://127.0.0.1:{port}/', interval: 0.2, timeout: 20}}, \
         depends_on: {{web0: ready, web1: ready}}}}\n"
    )
}

/// The whole of it, not started yet, and the port of nginx.
fn story() -> Option<(Bench, u16)> {
    let programs = ["initdb", "postgres", "psql", "pg_isready", "nginx", "python3"];
    let files: Option<Vec<PathBuf>> = programs.into_iter().map(installed).collect();
    let [initdb, postgres, psql, ready, ..] =
        &files?.iter().map(|f| f.display().to_string()).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    if !is_root() || !user_exists("postgres") {
        return None;
    }
    let bench = Bench::new("");
    bench.write("web.py", WEB);
    let data = bench.path("pg");
    std::fs::create_dir(&data).unwrap();
    let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
    nix::unistd::chown(&data, Some(user.uid), Some(user.gid)).unwrap();
    let data = data.display();
    let [db, one, other, port] = [(); 4].map(|()| free_port());
    let at = format!("-h {data} -p {db} -U postgres");
    let first = format!("test -e db/PG_VERSION || {initdb} -D db -A trust -U postgres");
    let serve = format!("exec {postgres} -D db -k {data} -p {db} -c listen_addresses=");
    let table = "create table if not exists t (n int); insert into t values (1)";
    let as_user = format!("user: postgres, workingdir: '{data}', backoff: 0.1");
    bench.configure(&format!(
        "db: {{cmd: [sh, -c, '{first} && {serve}'], {as_user}, stopsignal: INT, \
              autorestart: always, ready: {{exec: '{ready} -q {at}', timeout: 2m}}}}\n\
         migrate: {{cmd: [{psql}, -q, -h, '{data}', -p, {db}, -U, postgres, -c, '{table}'], {as_user}, \
              starttime: 0, depends_on: {{db: ready}}}}\n{}{}{}",
        web("web0", one, &bench),
        web("web1", other, &bench),
        front(&bench, port, [one, other])
    ));
    Some((bench, port))
}

const ALL: [&str; 5] = ["db", "migrate", "web0", "web1", "nginx"];

/// Waits until everything is as it should be, and exactly once.
fn until_all_is_up(bench: &Bench, port: u16, when: &str) {
    bench.until(&format!("all is up {when}"), |bench| {
        let rows: BTreeMap<String, Value> = bench
            .rows()
            .into_iter()
            .map(|row| (row["name"].as_str().unwrap().into(), row))
            .collect();
        ALL.iter().all(|name| match *name {
            "migrate" => rows[*name]["state"] == "EXITED" && rows[*name]["expected"] == true,
            name => rows[name]["state"] == "RUNNING",
        })
    });
    bench.until(&format!("it answers {when}"), |_| get(port).is_some());
    // One may be found not to be well, and be replaced, on a machine that has much else to do.
    bench.until(&format!("each is there once {when}"), |bench| {
        let pids = ALL.iter().filter_map(|name| bench.row(name)["pid"].as_i64());
        let mut up: Vec<i32> = pids.map(|pid| pid as i32).collect();
        let mut children = programs_of(bench.pid());
        // A probe's command comes and goes.
        children.retain(|pid| up.contains(pid) || !proc(*pid, "cmdline").contains("pg_isready"));
        children.sort_unstable();
        up.sort_unstable();
        children == up
    });
}

/// One request; its answer, if it was answered well.
fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.starts_with("HTTP/1.1 200") && body.ends_with('\n')).then(|| body.to_owned())
}

#[test]
fn each_is_killed_at_every_stage_and_nothing_wedges_or_doubles() {
    let Some((mut bench, port)) = story() else { return };
    bench.start();
    until_all_is_up(&bench, port, "at first");
    for victim in ALL {
        for stage in ["starting", "running"] {
            let when = format!("with {victim} killed when {stage}");
            let stopped = bench.ctl("stop all");
            assert_eq!(stopped.status, 0, "{when}: {stopped:?}");
            let mut events = bench.follower();
            assert_eq!(bench.ctl("start --no-wait nginx").status, 0);
            let pid = events.until_event(stage, victim)["pid"].as_i64().unwrap() as i32;
            // One that is quick may have ended by itself.
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
            until_all_is_up(&bench, port, &when);
            assert!(!lives(pid), "{when}");
        }
    }
    // What depends on another is not touched when that is killed.
    for victim in ["db", "web0", "web1", "nginx"] {
        let before: BTreeMap<&str, i32> = ALL
            .into_iter()
            .filter(|name| *name != "migrate")
            .map(|name| (name, bench.pid_of(name)))
            .collect();
        signal(before[victim], libc::SIGKILL);
        bench.until(&format!("{victim} is new"), |bench| bench.has_new_pid(victim, before[victim]));
        until_all_is_up(&bench, port, &format!("after {victim} was killed"));
        for (name, pid) in before {
            assert_eq!(bench.pid_of(name) != pid, name == victim, "{name} after {victim}");
        }
    }
    bench.stop();
}

#[test]
fn a_rolling_restart_under_load_loses_no_request() {
    let Some((mut bench, port)) = story() else { return };
    bench.start();
    until_all_is_up(&bench, port, "at first");
    let old = ["web0", "web1"].map(|name| bench.pid_of(name));
    let (over, asked, lost) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicU32::new(0)),
    );
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (over, asked, lost) = (over.clone(), asked.clone(), lost.clone());
            thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    asked.fetch_add(1, Ordering::SeqCst);
                    lost.fetch_add(u32::from(get(port).is_none()), Ordering::SeqCst);
                }
            })
        })
        .collect();
    let answered = |more: u32| {
        let from = asked.load(Ordering::SeqCst);
        bench.until("requests go on", |_| asked.load(Ordering::SeqCst) >= from + more);
    };
    answered(50);
    for _ in 0..3 {
        let said = bench.ctl("restart --rolling web*");
        assert_eq!((said.status, said.out.as_str()), (0, "web0: restarted\nweb1: restarted\n"));
        answered(50);
    }
    over.store(true, Ordering::SeqCst);
    load.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(lost.load(Ordering::SeqCst), 0, "of {}", asked.load(Ordering::SeqCst));
    assert!(!old.into_iter().any(lives));
    bench.stop();
}
