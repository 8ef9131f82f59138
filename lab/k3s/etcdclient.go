package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Talking to etcd: clients, and the test of every start (facts 3.4).

// endpoint is where the API server finds its data.
func (e *etcd) endpoint() string {
	if e.sqlite {
		return kineSocket
	}
	return localEtcd
}

// connect makes a client with the API server's certificate for etcd.
func (e *etcd) connect(endpoints []string) (*clientv3.Client, error) {
	pair, err := tls.LoadX509KeyPair(e.files.tls("etcd", "client.crt"), e.files.tls("etcd", "client.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(e.files.tls("etcd", "server-ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		DialTimeout:          10 * time.Second,
		DialKeepAliveTime:    30 * time.Second,
		DialKeepAliveTimeout: 10 * time.Second,
		TLS:                  &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
		Logger:               zap.NewNop(),
	})
}

const localEtcd = "https://127.0.0.1:2379"

// local is the client for this server's own etcd.
func (e *etcd) local() (*clientv3.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	if e.sqlite {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{kineSocket}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
		e.client = client
		return client, err
	}
	client, err := e.connect([]string{localEtcd})
	e.client = client
	return client, err
}

// status asks over the connection that this server keeps. As in k3s, once that connection was
// refused every answer is that refusal until etcd serves (recorded while joining).
func (e *etcd) status(ctx context.Context) (*etcdserverpb.StatusResponse, error) {
	client, err := e.local()
	if err != nil {
		return nil, err
	}
	return etcdserverpb.NewMaintenanceClient(client.ActiveConnection()).Status(ctx, &etcdserverpb.StatusRequest{})
}

// test is k3s' check that etcd can be used: status, learner, maintenance, membership (facts 3.4).
func (e *etcd) test(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client, err := e.local()
	if err != nil {
		return err
	}
	status, err := e.status(ctx)
	if err != nil {
		return fmt.Errorf("failed to get etcd status: %w", err)
	}
	if status.IsLearner {
		return errors.New("this server has not yet been promoted from learner to voting member")
	}
	if status.Leader == 0 {
		return rpctypes.ErrNoLeader
	}
	log.info("Connected to etcd v%s - datastore using %d of %d bytes", status.Version, status.DbSizeInUse, status.DbSize)
	log.info("Defragmenting etcd database")
	if _, err := client.Defragment(ctx, localEtcd); err != nil {
		return fmt.Errorf("failed to defragment etcd database: %w", err)
	}
	if err := e.clearAlarms(ctx, client, status.Header.MemberId); err != nil {
		return err
	}
	if status, err = e.status(ctx); err != nil {
		return fmt.Errorf("failed to get etcd status: %w", err)
	}
	log.info("Datastore using %d of %d bytes after defragment", status.DbSizeInUse, status.DbSize)
	list, err := client.MemberList(ctx)
	if err != nil {
		return err
	}
	found := []string{}
	for _, m := range list.Members {
		for _, peer := range m.PeerURLs {
			if peer == e.peerURL() && m.Name == e.name {
				return nil
			}
		}
		if len(m.PeerURLs) > 0 {
			found = append(found, m.Name+"="+m.PeerURLs[0])
		}
	}
	return fmt.Errorf("this server is not a member of the etcd cluster. Found %v, expect: %s=%s", found, e.name, e.peerURL())
}

// clearAlarms takes away NOSPACE, now that the file is defragmented; any other alarm is for a
// person (facts, section 0).
func (e *etcd) clearAlarms(ctx context.Context, client *clientv3.Client, self uint64) error {
	alarms, err := client.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("failed to list etcd alarms: %w", err)
	}
	for _, alarm := range alarms.Alarms {
		if alarm.MemberID != self {
			continue
		}
		if alarm.Alarm != etcdserverpb.AlarmType_NOSPACE {
			return fmt.Errorf("alarm must be disarmed manually: %s", alarm.Alarm)
		}
		if _, err := client.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: self, Alarm: alarm.Alarm}); err != nil {
			return fmt.Errorf("%s disarm failed: %w", alarm.Alarm, err)
		}
		log.info("%s disarmed successfully", alarm.Alarm)
	}
	return nil
}
