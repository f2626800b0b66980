//! Real programs: nginx, redis, PostgreSQL and Python's web server, served, killed by hand,
//! reconfigured under load and stopped. Each part is left out where its program is not installed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, PATIENCE, children, is_root, lives, signal};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The file of a program, where it is installed.
pub fn installed(program: &str) -> Option<PathBuf> {
    let postgres = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let postgres = postgres.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    folders.into_iter().chain(postgres).map(|f| f.join(program)).find(|file| file.exists())
}

/// A web server that gives each client 8 MB a second.
fn nginx(bench: &Bench, port: u16) -> Option<String> {
    let binary = installed("nginx")?;
    let here = bench.path("").display().to_string();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/nginx-{kind};"))
        .concat();
    let conf = format!(
        "worker_processes 2; pid {here}/nginx.pid; error_log {here}/nginx.err;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}; root {here}/www; \
         limit_rate 8m; }} }}\n"
    );
    let conf = bench.write("nginx.conf", &conf).display().to_string();
    Some(format!(
        "nginx: {{cmd: \"{} -c {conf} -g 'daemon off;'\", stopsignal: QUIT, autorestart: always, \
         backoff: 0}}\n",
        binary.display()
    ))
}

/// Begins a download, and returns it with its headers read.
fn download(port: u16, file: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /{file} HTTP/1.0\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream
}

#[test]
fn a_download_from_nginx_outlives_a_reload_of_everything_else() {
    let mut bench = Bench::new("");
    let port = free_port();
    let Some(nginx) = nginx(&bench, port) else { return };
    std::fs::create_dir(bench.path("www")).unwrap();
    let big: Vec<u8> = (0..12_000_000u32).map(|n| (n / 7 % 251) as u8).collect();
    std::fs::write(bench.path("www/big"), &big).unwrap();
    let others = "flood: {cmd: yes, stdout: discard}\nslow: {cmd: sleep 1000, starttime: 0.1}\n";
    bench.configure(&format!("{nginx}{others}"));
    bench.start();
    bench.until_state("nginx", "RUNNING");
    bench.until_state("flood", "RUNNING");
    let master = bench.pid_of("nginx");
    let slow = bench.pid_of("slow");

    let mut stream = download(port, "big");
    let changed = nginx.replace("backoff: 0", "stoptime: 20");
    bench.configure(&format!("{changed}slow: {{cmd: sleep 2000, starttime: 0.1}}\n"));
    let said = bench.ctl("reload");
    assert_eq!(said.status, 0, "{said:?}");
    bench.until("slow runs anew", |b| b.has_new_pid("slow", slow));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got == big, "{} bytes of {}", got.len(), big.len());
    assert_eq!(bench.pid_of("nginx"), master);
    bench.stop();
    assert!(!lives(master));
}

#[test]
fn workers_go_with_a_master_that_is_killed_by_hand() {
    let mut bench = Bench::new("");
    let port = free_port();
    let Some(nginx) = nginx(&bench, port) else { return };
    std::fs::create_dir(bench.path("www")).unwrap();
    bench.write("www/index.html", "hello");
    bench.configure(&nginx);
    bench.start();
    bench.until_state("nginx", "RUNNING");
    let master = bench.pid_of("nginx");
    bench.until("it has its workers", |_| children(master).len() == 2);
    let workers = children(master);
    signal(master, libc::SIGKILL);
    bench.until("the workers are gone", |_| !workers.iter().any(|pid| lives(*pid)));
    bench.until("it serves again", |bench| {
        bench.has_new_pid("nginx", master) && TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let mut body = String::new();
    download(port, "index.html").read_to_string(&mut body).unwrap();
    assert_eq!(body, "hello");
    bench.stop();
}

#[test]
fn redis_and_a_python_server_are_restarted_and_stopped() {
    let (Some(redis), Some(python)) = (installed("redis-server"), installed("python3")) else {
        return;
    };
    let (redis_port, http_port) = (free_port(), free_port());
    let mut bench = Bench::new("");
    let here = bench.path("").display().to_string();
    bench.configure(&format!(
        "redis: {{cmd: \"{} --port {redis_port} --dir {here} --save ''\"}}\n\
         http: {{cmd: \"{} -m http.server {http_port} --bind 127.0.0.1\", workingdir: '{here}'}}",
        redis.display(),
        python.display()
    ));
    bench.start();
    let answers = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    for (name, port) in [("redis", redis_port), ("http", http_port)] {
        bench.until(&format!("{name} serves"), |bench| {
            bench.state(name) == "RUNNING" && answers(port)
        });
        let pid = bench.pid_of(name);
        signal(pid, libc::SIGKILL);
        bench.until(&format!("{name} serves again"), |bench| {
            bench.has_new_pid(name, pid) && answers(port)
        });
    }
    assert_eq!(bench.ctl("stop redis http").status, 0);
    assert!(!answers(redis_port) && !answers(http_port));
    bench.stop();
}

/// PostgreSQL refuses to run as root, so it runs as its own user.
#[test]
fn postgres_as_its_own_user_stops_fast_by_int() {
    let (Some(initdb), Some(postgres)) = (installed("initdb"), installed("postgres")) else {
        return;
    };
    if !is_root() || !user_exists("postgres") {
        return;
    }
    let port = free_port();
    let mut bench = Bench::new("");
    let data = bench.path("pg");
    std::fs::create_dir(&data).unwrap();
    let chown = Command::new("chown").arg("postgres").arg(&data).status().unwrap();
    assert!(chown.success());
    let user = "user: postgres, workingdir: /";
    bench.configure(&format!(
        "init: {{cmd: '{} -D {data}/db -A trust', {user}, starttime: 0, autorestart: never}}\n\
         pg: {{cmd: '{} -D {data}/db -k {data} -p {port}', {user}, stopsignal: INT, \
         autostart: no, autorestart: always}}",
        initdb.display(),
        postgres.display(),
        data = data.display()
    ));
    bench.start();
    bench.until_state("init", "EXITED");
    assert_eq!(bench.row("init")["exit"]["code"], 0, "{}", bench.ctl("status").out);
    let said = bench.ctl("start pg");
    assert_eq!(said.status, 0, "{said:?}");
    let served = |b: &Bench| b.path(&format!("pg/.s.PGSQL.{port}")).exists();
    bench.until("it serves", served);
    let master = bench.pid_of("pg");
    signal(master, libc::SIGKILL);
    bench.until("it serves again", |b| b.has_new_pid("pg", master) && served(b));
    bench.stop();
    assert!(!Path::new(&format!("/proc/{master}")).exists());
}

pub fn user_exists(name: &str) -> bool {
    nix::unistd::User::from_name(name).ok().flatten().is_some()
}
