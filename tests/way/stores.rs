//! The same project on Azure Blob (Azurite) and S3 (moto), and on a store that must be refused (s3rver).
//!
//! `.ci/install` installs them; where one is not there, its test says so and ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use headwater::sandbox::Collection;

use crate::harness::{Project, Server, Service, tools};

/// Account and key that Azurite documents for everybody.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Starts a service of the tools folder on a free port; `None` when it is not installed.
fn start(program: &Path, needs: &Path, arguments: impl Fn(u16) -> Vec<String>) -> Option<Service> {
    if !needs.exists() {
        eprintln!("skipped: {} is not there; .ci/install makes it", needs.display());
        return None;
    }
    Some(Service::start(|port| {
        let mut command = Command::new(program);
        command.args(arguments(port));
        command
    }))
}

/// Sends a request without a body and returns the status line.
fn send(port: u16, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The project of the shop with these zones and options of their stores.
fn project(server: &Server, zone: impl Fn(&str) -> String, options: &str) -> Project {
    let zones =
        ["raw", "cleansed", "curated", "exploration"].map(|name| format!("  {name}: {}\n", zone(name))).concat();
    let text = Project::text_of(server, "2025-03-01", "");
    let head = format!("zones:\n{zones}store:\n  options:\n{options}sources:\n");
    Project::with(&text.replace("sources:\n", &head)).with_secret("STORE_KEY", AZURITE_KEY)
}

/// Loads, is killed, heals, and shows what the shop shows; a second run has nothing to do.
fn goes_the_way(server: &Server, project: &Project) {
    project.at_the_time_of(server).kill_at(&["run"], "receipt-created").unwrap();
    project.at_the_time_of(server).run(&["run"]).ends_with(0);
    let until = server.now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    for collection in [Collection::Events, Collection::Orders, Collection::Payments, Collection::Products] {
        let truth = server.shop().truth(collection, None, Some(until), None).lines().count();
        let shown = project.value(&format!("select count(*) as n from cleansed.shop.{collection}"));
        assert_eq!(shown, truth.to_string(), "{collection}");
    }
    let asked = server.requests();
    project.at_the_time_of(server).run(&["run"]).ends_with(0).says("nothing");
    assert_eq!(server.requests(), asked);
    assert!(!project.path("lake").exists(), "nothing of the lake lies on the local disk");
}

/// Azurite with these flags besides its own; `None` when it is not installed.
fn azurite(flags: &[&str]) -> Option<Service> {
    let script = tools().join("node_modules/azurite/dist/src/blob/main.js");
    start(Path::new("node"), &script, |port| {
        let port = port.to_string();
        let own = [
            script.to_str().unwrap(),
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            &port,
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--silent",
            "--disableTelemetry",
        ];
        own.iter().chain(flags).map(|&flag| flag.to_owned()).collect()
    })
}

fn azure_zone(name: &str) -> String {
    format!("abfss://{name}@{AZURITE_ACCOUNT}.dfs.core.windows.net/lake")
}

/// The project of the shop on Azurite's endpoint, with these options of its store besides.
fn on_azurite(
    server: &Server,
    zone: impl Fn(&str) -> String,
    service: &Service,
    scheme: &str,
    options: &str,
) -> Project {
    let endpoint = format!("{scheme}://127.0.0.1:{}/{AZURITE_ACCOUNT}", service.port);
    let options = format!("    endpoint: {endpoint}\n    allow_http: \"true\"\n{options}");
    project(server, zone, &options)
}

const WITH_KEY: &str = "    account_key: env:STORE_KEY\n";

#[test]
fn a_lake_on_azure_blob_goes_the_whole_way() {
    let Some(service) = azurite(&[]) else { return };
    let server = Server::start();
    let project = on_azurite(&server, azure_zone, &service, "http", WITH_KEY);
    let containers = ["check", "--create-containers"];
    // At our own time: a signed URL is good for minutes of it.
    project.run(&containers).ends_with(0).says("created abfss://raw@");
    let again = project.run(&containers).ends_with(0);
    assert!(!again.stderr.contains("created"), "they are there now");
    goes_the_way(&server, &project);
}

/// A signature of the container `lake` for a day, with every permission on it and its blobs, as the portal makes it
/// (<https://learn.microsoft.com/rest/api/storageservices/create-service-sas>).
fn container_signature() -> String {
    let script = "
import base64, datetime, hashlib, hmac, sys, urllib.parse
account, key = sys.argv[1:]
now = datetime.datetime.now(datetime.timezone.utc)
start, end = ((now + datetime.timedelta(hours=h)).strftime('%Y-%m-%dT%H:%M:%SZ') for h in (-1, 24))
parts = ['racwdl', start, end, f'/blob/{account}/lake', '', '', 'https,http', '2019-12-12', 'c', '', '', '', '', '', '']
signature = base64.b64encode(hmac.new(base64.b64decode(key), '\\n'.join(parts).encode(), hashlib.sha256).digest())
print(urllib.parse.urlencode({'sv': '2019-12-12', 'sr': 'c', 'sp': 'racwdl', 'st': start, 'se': end, 'spr': 'https,http',
                              'sig': signature.decode()}))
";
    let output = Command::new("python3").args(["-c", script, AZURITE_ACCOUNT, AZURITE_KEY]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_shared_access_signature_opens_a_lake_on_azure_blob() {
    let Some(service) = azurite(&[]) else { return };
    let server = Server::start();
    let zone = |name: &str| format!("abfss://lake@{AZURITE_ACCOUNT}.dfs.core.windows.net/{name}");
    let with_key = on_azurite(&server, zone, &service, "http", WITH_KEY);
    with_key.run(&["check", "--create-containers"]).ends_with(0).says("created abfss://lake@");
    let (signature, options) = (container_signature(), "    sas_token: env:STORE_SIGNATURE\n");
    let project = on_azurite(&server, zone, &service, "http", options);
    goes_the_way(&server, &project.with_variable("STORE_SIGNATURE", &signature));
    // Of a signature that may not delete, the refusal says the URL: never with what makes it valid.
    let wrong = signature.replace("sp=racwdl", "sp=racw");
    let project = on_azurite(&server, zone, &service, "http", options).with_variable("STORE_SIGNATURE", &wrong);
    let refused = project.at_the_time_of(&server).run(&["run"]);
    let secret = wrong.split_once("sig=").unwrap().1;
    assert!(refused.code != Some(0) && !refused.both().contains(secret), "{}", refused.both());
}

/// Answers every request for a token with one that Azurite takes, as Entra's endpoint does, and counts them.
fn entra() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            while !request.contains("client_secret=") {
                let mut piece = [0; 4096];
                let length = stream.read(&mut piece).unwrap();
                request.push_str(&String::from_utf8_lossy(&piece[..length]));
            }
            assert!(request.starts_with(&format!("POST /{TENANT}/oauth2/v2.0/token ")), "{request}");
            count.fetch_add(1, Ordering::SeqCst);
            let now = chrono::Utc::now().timestamp();
            let claims = serde_json::json!({
                "aud": "https://storage.azure.com",
                "iss": format!("https://sts.windows.net/{TENANT}/"),
                "nbf": now - 60, "iat": now - 60, "exp": now + 3600, "ver": "1.0", "tid": TENANT,
            });
            let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            // Azurite reads the claims and leaves the signature to the cloud.
            let token = format!("{}.{}.x", part(&serde_json::json!({"alg": "RS256", "typ": "JWT"})), part(&claims));
            let body =
                serde_json::json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token}).to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    (origin, asked)
}

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// A certificate for 127.0.0.1 and its key, signed by nobody.
fn certificate(folder: &Path) -> Option<[String; 2]> {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &certificate])
        .output();
    match made {
        Ok(output) if output.status.success() => Some([certificate, key]),
        _ => {
            eprintln!("skipped: openssl cannot make a certificate");
            None
        }
    }
}

#[test]
fn an_entra_login_opens_a_lake_on_azure_blob() {
    let folder = tempfile::tempdir().unwrap();
    let Some([certificate, key]) = certificate(folder.path()) else { return };
    let Some(service) = azurite(&["--oauth", "basic", "--cert", &certificate, "--key", &key]) else { return };
    let server = Server::start();
    // Its certificate is nobody's, so containers are made by a client that trusts it, with the key.
    let container = |name: &str| {
        let made = Command::new("python3")
            .args(["-c", MAKE_CONTAINER, AZURITE_ACCOUNT, AZURITE_KEY, &service.port.to_string(), name])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    for name in ["raw", "cleansed", "curated", "exploration"] {
        container(name);
    }
    let (authority, asked) = entra();
    let login = format!(
        "    allow_invalid_certificates: \"true\"\n    authority_host: {authority}\n    tenant_id: {TENANT}\n    \
         client_id: runner\n    client_secret: env:STORE_LOGIN\n"
    );
    let project = on_azurite(&server, azure_zone, &service, "https", &login).with_variable("STORE_LOGIN", "runner's");
    goes_the_way(&server, &project);
    assert!(asked.load(Ordering::SeqCst) > 0, "the lake is opened with a token");
}

/// Makes a container over HTTPS with a URL signed by the account's key, whoever signed the certificate.
const MAKE_CONTAINER: &str = "
import base64, datetime, hashlib, hmac, ssl, sys, urllib.parse, urllib.request
account, key, port, name = sys.argv[1:]
end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')
text = '\\n'.join([account, 'c', 'b', 'c', '', end, '', '', '2019-12-12', ''])
signature = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
query = urllib.parse.urlencode({'restype': 'container', 'sv': '2019-12-12', 'ss': 'b', 'srt': 'c', 'sp': 'c',
                                'se': end, 'sig': signature})
request = urllib.request.Request(f'https://127.0.0.1:{port}/{account}/{name}?{query}', method='PUT', data=b'')
trusting = ssl._create_unverified_context()
urllib.request.urlopen(request, context=trusting).read()
";

fn s3_options(port: u16, key: &str) -> String {
    format!(
        "    aws_endpoint: http://127.0.0.1:{port}\n    aws_allow_http: \"true\"\n    aws_region: us-east-1\n    \
         aws_access_key_id: {key}\n    aws_secret_access_key: env:S3_KEY\n"
    )
}

#[test]
fn a_lake_on_s3_goes_the_whole_way() {
    let program = tools().join("venv/bin/moto_server");
    let service =
        start(&program, &program, |port| ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec());
    let Some(service) = service else { return };
    let made = send(service.port, "PUT", "/lake");
    assert!(made.contains("200"), "{made}");
    let server = Server::start();
    let zone = |name: &str| format!("s3://lake/{name}");
    let project = project(&server, zone, &s3_options(service.port, "tester")).with_variable("S3_KEY", "tester");
    goes_the_way(&server, &project);
}

#[test]
fn a_store_that_does_not_honour_create_if_absent_is_refused() {
    let script = tools().join("node_modules/s3rver/bin/s3rver.js");
    let folder = tempfile::tempdir().unwrap();
    let service = start(Path::new("node"), &script, |port| {
        let port = port.to_string();
        let folder = folder.path().to_str().unwrap();
        let flags = ["-d", folder, "-a", "127.0.0.1", "-p", &port, "--silent", "--configure-bucket", "lake"];
        std::iter::once(script.to_str().unwrap()).chain(flags).map(str::to_owned).collect()
    });
    let Some(service) = service else { return };
    let server = Server::start();
    let zone = |name: &str| format!("s3://lake/{name}");
    let project = project(&server, zone, &s3_options(service.port, "S3RVER")).with_variable("S3_KEY", "S3RVER");
    project.at_the_time_of(&server).run(&["run"]).ends_with(78).says("store-unsafe");
    assert_eq!(server.requests(), 0, "the store is proved before the source is asked");
}
