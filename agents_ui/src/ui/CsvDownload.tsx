/** A list as a file for spreadsheets. The server writes it, whole and safe (`server/web/csv_file.py`). */
import { Button } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'

export function CsvDownload({ href }: { href: string }) {
  const { t } = useTranslation()
  return (
    <Button
      component="a"
      href={href}
      download
      variant="default"
      leftSection={<IconDownload size={16} stroke={1.7} />}
    >
      {t('common.downloadCsv')}
    </Button>
  )
}
