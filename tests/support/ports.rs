//! Ports for programs that have to be told theirs, or that come back to the one they had.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

/// Sockets that hold ports; dropped with the process.
static HELD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());

/// A port on 127.0.0.1 that is this process's own until it ends. Nobody listens on it, so that connections are
/// refused, until a program that we start does.
///
/// It is bound here once and stays bound: the kernel gives it to nobody who asks for any port, nor to an outgoing
/// connection. A program that asks for this very one may have it, as both set `SO_REUSEADDR` and only one listens.
pub(crate) fn reserved_port() -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).expect("a port");
    let address = socket.local_addr().expect("an address");
    let port = address.as_socket().expect("IPv4").port();
    HELD.lock().expect("no panic while it is held").push(socket);
    port
}

mod tests {
    use super::reserved_port;
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_port_is_reserved_once_refuses_until_someone_listens_and_can_be_listened_on_again() {
        let ports: Vec<u16> = (0..500).map(|_| reserved_port()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 500);
        for &port in &ports[..10] {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
            for _ in 0..2 {
                let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
                TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            }
        }
        // Nobody else is given one.
        let others: Vec<_> = (0..500)
            .map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap())
            .collect();
        for other in others {
            let port = other.local_addr().unwrap().port();
            assert!(!ports.contains(&port), "{port}");
        }
    }
}
