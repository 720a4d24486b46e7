export interface Case {
  readonly name: string
  readonly unit: 'requests/s' | 'connections/s' | 'Gbit/s'
  readonly mode: 'requests' | 'connects' | 'up' | 'down' | 'rate'
  readonly connections: number
}

export const CASES: readonly Case[] = [
  { name: 'requests, 1 connection', unit: 'requests/s', mode: 'requests', connections: 1 },
  { name: 'requests, 16 connections', unit: 'requests/s', mode: 'requests', connections: 16 },
  { name: 'requests, 64 connections', unit: 'requests/s', mode: 'requests', connections: 64 },
  { name: 'new connections, 16 at a time', unit: 'connections/s', mode: 'connects', connections: 16 },
  { name: 'bulk up, 1 stream', unit: 'Gbit/s', mode: 'up', connections: 1 },
  { name: 'bulk down, 1 stream', unit: 'Gbit/s', mode: 'down', connections: 1 },
  { name: 'bulk up, 8 streams', unit: 'Gbit/s', mode: 'up', connections: 8 },
  { name: 'bulk down, 8 streams', unit: 'Gbit/s', mode: 'down', connections: 8 },
  { name: 'latency at 400 requests/s', unit: 'requests/s', mode: 'rate', connections: 4 },
]
