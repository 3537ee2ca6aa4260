//! Connections that can be cut, so that the shop can be down while its switches still answer.
//!
//! A closed listener would do for a shop that is always down. Here the same port serves the switches, so a cut is made on the
//! connection: nothing more is written to it, and the server closes it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Cuts one connection, or all of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Knife {
    connection: Arc<AtomicBool>,
    server: Arc<AtomicBool>,
}

impl Knife {
    /// Cuts the connection of the request at hand.
    pub(super) fn cut(&self) {
        self.connection.store(true, Ordering::Release);
    }

    /// Cuts every connection of the server, now and later.
    pub(super) fn cut_all(&self) {
        self.server.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        let is_cut = self.connection.load(Ordering::Acquire) || self.server.load(Ordering::Acquire);
        if is_cut { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// A TCP listener whose connections carry a [`Knife`].
#[derive(Debug)]
pub(super) struct CuttableListener {
    pub(super) listener: TcpListener,
    pub(super) knife: Knife,
}

/// A TCP stream that reads and writes until it is cut.
#[derive(Debug)]
pub(super) struct CuttableStream {
    stream: TcpStream,
    knife: Knife,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let knife = Knife { connection: Arc::default(), server: Arc::clone(&self.knife.server) };
        (CuttableStream { stream, knife }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Knife {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().knife.clone()
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.knife.check()?;
        Pin::new(&mut this.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.knife.check()?;
        Pin::new(&mut this.stream).poll_write(cx, from)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
