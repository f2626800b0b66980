//! The protocol, spoken with nothing but a socket.

mod flow;
mod hello;
mod replies;
mod watch;
