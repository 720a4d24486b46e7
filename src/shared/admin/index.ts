export {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoute,
  type AdminRoutes,
  AdminServer,
  only,
} from './admin-server.ts'
export { Profiles } from './profile.ts'
export {
  indexRoute,
  jsonAnswer,
  jsonRoute,
  loggingRoute,
  metricsRoutes,
  quitRoute,
  readinessRoutes,
  textRoute,
} from './routes.ts'
