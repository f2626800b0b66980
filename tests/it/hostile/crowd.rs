//! Too many at once: strangers push out the oldest of them, and nobody who proved the secret.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use super::{Town, sockets};
use crate::bench::{Bench, PATIENCE, Wire, proc, taskmaster, until};
use crate::facts::{exit, pids, until_state};

/// Places for those who have not proved the secret.
const STRANGERS: usize = 32;

#[test]
fn the_thirty_third_stranger_pushes_out_the_oldest() {
    let mut town = Town::new();
    let mut strangers: Vec<Wire> = (0..STRANGERS).map(|_| town.bench.stranger()).collect();
    assert_eq!(sockets(&town.bench), 2 + STRANGERS);
    let last = town.bench.stranger();
    assert_eq!(strangers[0].line(), None, "the oldest is closed");
    assert_eq!(sockets(&town.bench), 2 + STRANGERS);
    // The second oldest has its place still, and with the secret one of its own.
    let secret = town.bench.read("state/secret");
    strangers[1].hello(secret.trim());
    for _ in 0..2 * STRANGERS {
        town.bench.stranger();
    }
    assert_eq!(exit(&strangers[1].ask("version")), 0);
    drop((strangers, last));
    town.is_unharmed();
}

#[test]
fn five_hundred_strangers_keep_nobody_out() {
    let mut town = Town::new();
    let address = town.bench.read("state/address");
    let strangers: Vec<TcpStream> =
        (0..500).map(|_| TcpStream::connect(address.trim()).unwrap()).collect();
    town.goes_on();
    until("they have been thinned out", || sockets(&town.bench) <= 2 + STRANGERS);
    town.goes_on();
    drop(strangers);
    town.is_unharmed();
}

#[test]
fn who_is_pushed_out_during_the_hello_calls_again() {
    let bench = Bench::up("a: {cmd: sleep 1000}");
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, daemon) = (door.local_addr().unwrap(), bench.read("state/address"));
    // Twice it hears the greeting and no more; then it gets through.
    let crowd = std::thread::spawn(move || {
        for call in 0..3 {
            let (caller, _) = door.accept().unwrap();
            let mut line = String::new();
            let mut greeted = BufReader::new(TcpStream::connect(daemon.trim()).unwrap());
            greeted.read_line(&mut line).unwrap();
            (&caller).write_all(line.as_bytes()).unwrap();
            if call == 2 {
                let (mut there, mut back) = (greeted.into_inner(), caller.try_clone().unwrap());
                let mut here = there.try_clone().unwrap();
                std::thread::spawn(move || std::io::copy(&mut here, &mut back));
                std::io::copy(&mut &caller, &mut there).unwrap();
                there.shutdown(std::net::Shutdown::Both).unwrap();
            }
        }
    });
    assert_eq!(bench.ctl(&format!("-s {address} version")).status, 0);
    crowd.join().unwrap();
}

/// A daemon that may have only so many descriptors open.
fn up_with_descriptors(most: usize, programs: &str) -> Bench {
    let mut bench = Bench::new(programs);
    let mut command = std::process::Command::new("/bin/sh");
    let script = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(bench.path(""));
    command.args(["-c", &script]).arg(taskmaster().get_program());
    command.args(["daemon", "-c", "taskmaster.yaml"]).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    bench.start_as(command);
    bench
}

/// Whether a newcomer is greeted, or turned away.
fn is_greeted(stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.contains("nonce")
}

#[test]
fn those_who_proved_the_secret_have_half_of_what_is_free_and_the_rest_goes_on() {
    let mut town = Town::of(up_with_descriptors(129, &super::silent(super::PROGRAMS)));
    let address = town.bench.read("state/address");
    // Half of what the daemon does not need itself, and the watcher has one.
    let mut clients: Vec<Wire> = (0..55).map(|_| town.bench.client()).collect();
    let crowd: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(address.trim()).unwrap()).collect();
    assert!(crowd.iter().all(|stream| !is_greeted(stream)), "one too many was let in");
    for client in &mut clients {
        assert_eq!(exit(&client.ask("version")), 0);
    }
    // Starts have what they need.
    assert_eq!(exit(&clients[0].ask("restart a")), 0);
    town.pids = pids(&mut town.watcher);
    clients.pop();
    until("there is a place again", || is_greeted(&TcpStream::connect(address.trim()).unwrap()));
    drop((clients, crowd));
    town.is_unharmed();
}

#[test]
fn where_descriptors_are_few_strangers_have_few_places_and_the_others_are_served() {
    let bench = up_with_descriptors(49, &super::silent(super::PROGRAMS));
    let mut town = Town::of(bench);
    let address = town.bench.read("state/address");
    // 12 of 16 places, and more strangers than there are descriptors.
    let mut clients: Vec<Wire> = (0..12).map(|_| town.bench.client()).collect();
    let crowd: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(address.trim()).unwrap()).collect();
    assert!(is_greeted(&crowd[99]), "the last is greeted, an older one had to go");
    // Starts have what they need meanwhile.
    assert_eq!(exit(&clients[0].ask("restart a")), 0);
    town.pids = pids(&mut town.watcher);
    for client in &mut clients {
        assert_eq!(exit(&client.ask("version")), 0);
    }
    assert_eq!(pids(&mut town.watcher), town.pids);
    drop((clients, crowd));
    until("there is a place again", || is_greeted(&TcpStream::connect(address.trim()).unwrap()));
    town.is_unharmed();
    assert_eq!(exit(&town.watcher.ask("restart a")), 0);
}

/// Processor time that the daemon has used, in ticks of 10 ms.
fn ticks(bench: &Bench) -> u64 {
    let stat = proc(bench.pid(), "stat");
    let fields = stat.rsplit_once(") ").unwrap().1;
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_daemon_whose_limit_is_lowered_below_what_it_has_open_rests_and_recovers() {
    let bench = Bench::up("slow: {cmd: sleep 1000, starttime: 1.5, autostart: false}");
    let mut watcher = bench.client();
    let limit = |most: &str| {
        let pid = bench.pid().to_string();
        let soft = format!("--nofile={most}:");
        let status = std::process::Command::new("prlimit").args(["--pid", &pid, &soft]).status();
        status.is_ok_and(|status| status.success())
    };
    watcher.send("start slow");
    until_state(&mut bench.client(), "slow", "STARTING");
    if !limit("6") {
        return; // no such tool here
    }
    // Neither taken nor turned away, it waits at the door.
    let newcomer = TcpStream::connect(bench.read("state/address").trim()).unwrap();
    let before = ticks(&bench);
    assert_eq!(exit(&watcher.answer()), 0);
    assert!(ticks(&bench) - before < 50, "it spins");
    assert!(limit("256"));
    assert!(is_greeted(&newcomer));
}
