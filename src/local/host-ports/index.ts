export { type HostPortSettings, HostPorts } from './host-ports.ts'
export { PortOpener } from './port-opener.ts'
