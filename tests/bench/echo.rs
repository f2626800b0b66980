//! The limit of a request: a TCP server that answers so many bytes with so many others, and does
//! nothing else.
//!
//! ```text
//! echo REQUEST REPLY      says its port on a line, serves one client
//! ```

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::doing::{Doing, Result};

/// Serves one client until it goes.
pub(crate) fn play(words: &[String]) -> Result<()> {
    let [request, reply] = words else { return Err("echo: REQUEST REPLY".to_owned()) };
    let mut request = vec![0; request.parse().doing("bytes of a request")?];
    let reply = vec![b'x'; reply.parse().doing("bytes of a reply")?];
    let listener = TcpListener::bind("127.0.0.1:0").doing("listening")?;
    println!("{}", listener.local_addr().doing("asking for the port")?.port());
    let (mut client, _) = listener.accept().doing("accepting")?;
    client.set_nodelay(true).doing("setting TCP_NODELAY")?;
    while client.read_exact(&mut request).is_ok() {
        client.write_all(&reply).doing("answering")?;
    }
    Ok(())
}
