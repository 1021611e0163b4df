/** A button that downloads a list as a CSV file, which the server writes (`server/web/csv_file.py`). */
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
