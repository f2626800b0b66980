//! TLS, as far as it was built in.
//!
//! Without the feature `tls` there is nothing here that a configuration could ask for: one
//! that needs it is not loaded.

use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::extension::ClientId;

/// Whose certificate is expected, and which authorities are trusted.
#[cfg(feature = "tls")]
pub(super) type Parameters = lettre::transport::smtp::client::TlsParameters;

/// There are none.
#[cfg(not(feature = "tls"))]
pub(super) type Parameters = std::convert::Infallible;

/// Those for a server of this name.
#[cfg(feature = "tls")]
pub(super) fn parameters(host: &str) -> Result<Parameters, String> {
    Parameters::new(host.to_owned()).map_err(|error| super::smtp::words(&error))
}

/// The configuration asks for none: it would not have been loaded.
#[cfg(not(feature = "tls"))]
pub(super) fn parameters(_: &str) -> Result<Parameters, String> {
    Err("this taskmaster was built without TLS".to_owned())
}

/// Connects, with TLS from the first byte where there are parameters.
#[cfg(feature = "tls")]
pub(super) fn connect(
    address: SocketAddr,
    patience: Option<Duration>,
    hello: &ClientId,
    implicit: Option<&Parameters>,
) -> Result<SmtpConnection, Error> {
    SmtpConnection::connect(address, patience, hello, implicit, None)
}

/// The same without.
#[cfg(not(feature = "tls"))]
pub(super) fn connect(
    address: SocketAddr,
    patience: Option<Duration>,
    hello: &ClientId,
    _: Option<&Parameters>,
) -> Result<SmtpConnection, Error> {
    SmtpConnection::connect(address, patience, hello, None, None)
}

/// Encrypts a connection by STARTTLS.
#[cfg(feature = "tls")]
pub(super) fn start(
    connection: &mut SmtpConnection,
    parameters: &Parameters,
    hello: &ClientId,
) -> Result<(), Error> {
    connection.starttls(parameters, hello)
}

/// Nobody has parameters to call it with.
#[cfg(not(feature = "tls"))]
pub(super) fn start(
    _: &mut SmtpConnection,
    parameters: &Parameters,
    _: &ClientId,
) -> Result<(), Error> {
    match *parameters {}
}
