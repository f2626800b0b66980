//! Readiness and health: what processes say of themselves, and what they are asked.

mod health;
mod notify;
mod ready;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Python that speaks sd_notify(3) without any library: `say(text)`, `barrier()`.
pub const SAY: &str = r#"
import array, os, select, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(text, fds=()):
    name = os.environ['NOTIFY_SOCKET']
    assert name[0] == '@', name
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
    s.sendmsg([text.encode()], rights, 0, '\0' + name[1:])
def barrier():
    r, w = os.pipe()
    say('BARRIER=1', [w])
    os.close(w)
    p = select.poll()
    p.register(r, select.POLLHUP)
    assert p.poll(20000), 'nobody closed the barrier'
    os.close(r)
"#;
