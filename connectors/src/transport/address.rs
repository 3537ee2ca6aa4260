//! Which addresses may be connected to: public ones, and those that the project lists.
//!
//! A name is judged after it is resolved, because a public name may point into the private network. The resolver is the only way from a
//! name to an address, so nothing is connected to that was not judged, and a name that points elsewhere the next time is judged again.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why a host was not connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrivateAddress {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}, a private address", self.host, self.address)
    }
}

impl Error for PrivateAddress {}

/// Whether an address is reachable from the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_reserved = a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments, RFC 6890
        || (a == 192 && b == 88 && c == 99) // 6to4 relays, RFC 7526
        || (a == 198 && (18..20).contains(&b)); // benchmarks, RFC 2544
    !is_reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [first, second, third, .., seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match (first, second) {
        // NAT64, RFC 6052; the local prefix 64:ff9b:1::/48 of RFC 8215 is no public one.
        (0x0064, 0xff9b) => third == 0 && is_public_v4(embedded(seventh, eighth)),
        (0x2002, _) => is_public_v4(embedded(second, third)), // 6to4, RFC 3056
        // Nothing of 2001::/23 is a server's address (Teredo, RFC 4380, hides a client's in it); the others are for documentation
        // (RFC 3849, RFC 9637).
        (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x3fff, 0x0000..=0x0fff) => false,
        // Only 2000::/3 is given out as global unicast.
        _ => (first & 0xe000) == 0x2000,
    }
}

/// Asks the system for the addresses of a name.
type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Resolves names and refuses private addresses of hosts that the project does not list.
pub(crate) struct Guard {
    allowed_hosts: Arc<[String]>,
    lookup: Arc<Lookup>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowed_hosts", &self.allowed_hosts).finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn new(allowed_hosts: Vec<String>) -> Self {
        let system =
            |host: String| async move { tokio::net::lookup_host((host.as_str(), 0)).await.map(Iterator::collect) };
        Self::with(allowed_hosts, move |host| system(host).boxed())
    }

    fn with(
        allowed_hosts: Vec<String>,
        lookup: impl Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self { allowed_hosts: allowed_hosts.into(), lookup: Arc::new(lookup) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, lookup) = (Arc::clone(&self.allowed_hosts), Arc::clone(&self.lookup));
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = lookup(host.clone()).await?;
            // One private address among public ones is refused as a whole: which of them is connected to is chance.
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(&host))
                && let Some(private) = found.iter().find(|address| !is_public(address.ip()))
            {
                return Err(Box::new(PrivateAddress { host, address: private.ip() }) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn tells_public_from_private_in_all_their_disguises() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "192.0.0.8",
            "192.88.99.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "2002:7f00:1::",
            "2001::7f00:1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    /// However a private address is written in a URL, it is a literal by the time that it is judged.
    #[test]
    fn urls_write_private_addresses_in_many_ways_and_all_are_known() {
        for text in [
            "http://127.1/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://017700000001/",
            "http://0177.0.0.0x1/",
            "http://127.0.0.1./",
            "http://①②⑦.⓪.⓪.①/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:169.254.169.254]/",
            "http://[::127.0.0.1]/",
            "http://0/",
        ] {
            let url = url::Url::parse(text).unwrap();
            let address: IpAddr = match url.host().unwrap() {
                url::Host::Ipv4(v4) => v4.into(),
                url::Host::Ipv6(v6) => v6.into(),
                url::Host::Domain(name) => panic!("{text} is the name {name}"),
            };
            assert!(!is_public(address), "{text}");
        }
    }

    /// A guard whose names point where `answers` says, one answer after the other.
    fn pointing(answers: &'static [&'static [&'static str]]) -> (Guard, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let guard = Guard::with(vec!["listed.test".to_owned()], move |_| {
            let nth = counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let found = answers[nth].iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
            async move { Ok(found) }.boxed()
        });
        (guard, asked)
    }

    async fn resolve(guard: &Guard, host: &str) -> Result<Vec<IpAddr>, String> {
        let resolved = guard.resolve(host.parse().unwrap()).await;
        resolved.map(|found| found.map(|address| address.ip()).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_name_that_points_inside_is_refused_the_second_time_too() {
        let (guard, _) = pointing(&[&["8.8.8.8"], &["10.0.0.7"], &["8.8.8.8", "127.0.0.1"]]);
        assert_eq!(resolve(&guard, "rebound.test").await, Ok(vec!["8.8.8.8".parse().unwrap()]));
        for address in ["10.0.0.7", "127.0.0.1"] {
            let refused = resolve(&guard, "rebound.test").await.unwrap_err();
            assert_eq!(refused, format!("`rebound.test` is {address}, a private address"));
        }
        assert!(resolve(&guard, "LISTED.test").await.is_ok());
    }

    /// What is connected to is what was judged: the name is asked for once a connection, and its answer is where the connection goes.
    #[tokio::test]
    async fn a_connection_goes_to_the_address_that_was_judged() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Judged good by the list, then private: a second look-up would find another address and fail.
        let (guard, asked) = pointing(&[&["127.0.0.1"], &["192.0.2.1"]]);
        let client = reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(guard)).build().unwrap();
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                tokio::io::AsyncReadExt::read_buf(&mut stream, &mut asked).await.unwrap();
            }
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 204 X\r\n\r\n").await.unwrap();
            tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        };
        let request = client.get(format!("http://listed.test:{port}/")).send();
        let (response, ()) = tokio::join!(request, answer);
        assert_eq!((response.unwrap().status().as_u16(), asked.load(Ordering::SeqCst)), (204, 1));
    }
}
