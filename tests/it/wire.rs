//! The protocol, spoken with nothing but a socket.

mod flow;
mod hello;
mod later;
mod replies;
mod watch;
