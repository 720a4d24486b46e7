export { boolean, duration, integer, oneOf, optional, optionalText, parsed, port, text } from './kinds.ts'
export { ConfigError, type ConfigProblem, readConfig } from './read-config.ts'
export {
  type ConfigSpec,
  type Kind,
  type PrefixSetting,
  type RefusedSetting,
  required,
  type Setting,
  setting,
} from './setting.ts'
export { refusedTable, type SettingRow, settingRows, settingsTable } from './settings-table.ts'
