//! Client certificates against a server that asks for one: Python's, because ours would check ourselves.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use headwater_connectors::{Connector, Source};
use headwater_contract::{Explain, SourceName};

use super::{CANARY, Setup, printed};
use crate::server::{Reply, Server};
use crate::work::{read, whole};

/// Answers one list to whoever shows a certificate of the authority, and prints its port.
const SERVER: &str = "
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{\"data\":[{\"id\":1}]}'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
keys = sys.argv[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(keys + '/server.pem', keys + '/server.key')
context.load_verify_locations(keys + '/ca.pem')
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start() -> (Python, u16) {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine/auth/keys");
    let mut child = Command::new("python3").args(["-c", SERVER, keys]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Python(child), line.trim().parse().unwrap())
}

const CERTIFICATE: &str = concat!(include_str!("keys/client.pem"), include_str!("keys/client.key"));

async fn source(auth: &str, port: u16, certificate: &str) -> Result<Source, headwater_connectors::SourceError> {
    let unused = Server::start(|_| Reply::text(500, "")).await;
    let mut setup = Setup::new(&unused, auth, &["certificate", "authority", "token"])
        .secret("certificate", certificate)
        .secret("authority", include_str!("keys/ca.pem"));
    setup.manifest = setup.manifest.replace(&unused.origin, &format!("https://127.0.0.1:{port}"));
    setup.options.allow_private = vec![format!("127.0.0.1:{port}")];
    let connector = Connector::parse(&setup.manifest, "x.yaml").unwrap();
    Source::open(connector.into(), SourceName::new("shop").unwrap(), setup.settings, setup.options)
}

#[tokio::test]
async fn a_certificate_opens_what_stays_shut_without_it() {
    let (_server, port) = start();
    let with = "{ all: [{ tls: { certificate: certificate, authority: authority } }, { bearer: token }] }";
    let got = read(&source(with, port, CERTIFICATE).await.unwrap(), "rows", whole()).await.unwrap();
    assert_eq!(got.records.len(), 1);

    // Who shows no certificate may hear of it, or find the connection closed before that.
    let (unshown, unknown) = ("{ tls: { authority: authority } }", "{ tls: { certificate: certificate } }");
    for (auth, codes) in [(unshown, &["tls-failed", "unreachable"][..]), (unknown, &["tls-failed"])] {
        let error = read(&source(auth, port, CERTIFICATE).await.unwrap(), "rows", whole()).await.unwrap_err();
        assert!(codes.contains(&error.code()), "{auth}: {error}");
        assert!(!printed(&error).contains("BEGIN"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_named_and_not_shown() {
    let auth = "{ tls: { certificate: certificate } }";
    for text in ["c4nary", include_str!("keys/client.pem"), include_str!("keys/client.key")] {
        let error = source(auth, 1, text).await.unwrap_err();
        assert_eq!(error.code(), "key-unusable", "{error}");
        assert!(!printed(&error).contains(CANARY) && !printed(&error).contains("BEGIN"), "{}", printed(&error));
    }
}
