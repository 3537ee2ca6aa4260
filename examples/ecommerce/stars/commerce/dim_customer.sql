SELECT c.id AS customer_id, c.email, c.first_name, c.has_account, COALESCE(m.status, 'never') AS newsletter
FROM cleansed.shop.customers AS c
LEFT JOIN cleansed.marketing.members AS m ON m.email_address = c.email
WHERE c._deleted_at IS NULL
