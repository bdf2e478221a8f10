//! quinn at our settings: one stream, from memory into memory, each end with a thread of its own.

use std::thread;

use bao_tree::blake3::Hasher;
use potluck_core::PrivateKey;
use potluck_net::{Tuning, bare};
use tokio::runtime::{Builder, Runtime};

use crate::clock::{Start, Taken};

/// What is written at once: as much as the product writes.
pub(crate) const PIECE: usize = 64 << 10;

/// What is sent, over and over: far more than a cache holds, so that it is read from memory as a file's bytes would be.
pub(crate) fn memory() -> bytes::Bytes {
    static MEMORY: std::sync::OnceLock<bytes::Bytes> = std::sync::OnceLock::new();
    let make =
        || (0..256usize << 20).map(|at| (at.wrapping_mul(0x9E37_79B9) >> 16) as u8).collect();
    MEMORY.get_or_init(make).clone()
}

pub(crate) fn reactor() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Sends `bytes` bytes; `hashed`, the receiver hashes what comes.
pub(crate) fn transfer(bytes: u64, hashed: bool) -> Taken {
    let (server_key, key) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    let server = server_key.public();
    let memory = memory();
    let runtime = reactor();
    let endpoint = {
        let _inside = runtime.enter();
        bare::listen(&server_key, Tuning::default()).unwrap()
    };
    let address = endpoint.local_addr().unwrap();
    let receiver = thread::spawn(move || {
        runtime.block_on(async {
            let connection = endpoint.accept().await.unwrap().await.unwrap();
            let mut recv = connection.accept_bi().await.unwrap().1;
            let (mut count, mut hasher) = (0, Hasher::new());
            let mut gathered = Vec::with_capacity(2 * PIECE);
            while let Some(chunk) = recv.read_chunk(PIECE, true).await.unwrap() {
                count += chunk.bytes.len() as u64;
                if hashed {
                    // In pieces that fill the processor's vectors: packet by packet it would cost three times as much.
                    gathered.extend_from_slice(&chunk.bytes);
                    if gathered.len() >= PIECE {
                        hasher.update(&gathered);
                        gathered.clear();
                    }
                }
            }
            hasher.update(&gathered);
            std::hint::black_box(hasher.finalize());
            assert_eq!(count, bytes);
            endpoint.wait_idle().await;
        });
    });
    let taken = reactor().block_on(async {
        let (endpoint, connection) =
            bare::dial(address, server, &key, &Tuning::default()).await.unwrap();
        let start = Start::now();
        let mut send = connection.open_bi().await.unwrap().0;
        for piece in pieces(bytes, memory.len()) {
            send.write_chunk(memory.slice(piece)).await.unwrap();
        }
        send.finish().unwrap();
        send.stopped().await.unwrap();
        let taken = start.taken();
        if std::env::var_os("BENCH_STATS").is_some() {
            eprintln!("{:?}", connection.stats());
        }
        connection.close(0u32.into(), b"");
        endpoint.wait_idle().await;
        taken
    });
    receiver.join().unwrap();
    taken
}

/// Ranges of the memory that make up `bytes` bytes.
pub(crate) fn pieces(bytes: u64, memory: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..bytes).step_by(PIECE).map(move |at| {
        let length = (bytes - at).min(PIECE as u64) as usize;
        let begin = (at % memory as u64) as usize;
        begin..begin + length
    })
}
