//! An S3 server in this process: checks signatures and checksums as AWS does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use docmill_blob::S3Settings;
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

pub struct Server {
    endpoint: String,
}

const BUCKET: &str = "blobs";

impl Server {
    pub fn settings(&self) -> S3Settings {
        S3Settings {
            bucket: BUCKET.to_owned(),
            prefix: "docmill/".to_owned(),
            endpoint: Some(self.endpoint.clone()),
            region: "us-east-1".to_owned(),
            access_key_id: "id".to_owned(),
            secret_access_key: "secret".to_owned(),
            timeout: Duration::from_secs(5),
        }
    }
}

pub async fn start(root: &Path) -> Server {
    std::fs::create_dir(root.join(BUCKET)).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single("id", "secret"));
    let service = builder.build();
    // The server's own check of `If-None-Match` and its write are two steps: one write at a time makes them one.
    let writes = Arc::new(Mutex::new(()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (service, writes) = (service.clone(), writes.clone());
            let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (service, writes) = (service.clone(), writes.clone());
                async move {
                    let _turn = match request.method() {
                        &hyper::Method::PUT => Some(writes.lock().await),
                        _ => None,
                    };
                    service.call(request.map(Into::into)).await
                }
            });
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                // A client that hangs up ends its connection, not the server.
                server.serve_connection(TokioIo::new(socket), answer).await.ok();
            });
        }
    });
    Server { endpoint }
}
